"""An OIDC issuer, small enough to be read: its configuration, its keys, and the tokens that a test wants of it."""

import base64
import http.server
import json
import ssl
import threading
import time

from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pkcs1_15


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return text(value.to_bytes((value.bit_length() + 7) // 8))


class Issuer:
    """An issuer at `http://127.0.0.1:PORT/realms/NAME`, or by HTTPS with a certificate."""

    def __init__(self, path: str = "/realms/lake", host: str = "127.0.0.1", port: int = 0, certificate: tuple | None = None):
        self.keys = {"first": RSA.generate(2048)}
        self.asked: list[str] = []
        # Other answers than the usual, by path.
        self.answers: dict[str, tuple[int, dict, bytes]] = {}
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                status, headers, body = issuer.answer(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.path = path
        self.url = f"{scheme}://{host}:{self.server.server_address[1]}{path}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str) -> tuple[int, dict, bytes]:
        if path in self.answers:
            return self.answers[path]
        if path == f"{self.path}/.well-known/openid-configuration":
            document = {"issuer": self.url, "jwks_uri": f"{self.url}/protocol/openid-connect/certs"}
        elif path == f"{self.path}/protocol/openid-connect/certs":
            document = {
                "keys": [
                    {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": number(key.n), "e": number(key.e)}
                    for kid, key in self.keys.items()
                ]
            }
        else:
            return 404, {}, b"{}"
        return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()

    def token(self, kid: str = "first", header: dict | None = None, **claims) -> str:
        now = int(time.time())
        said = {"iss": self.url, "sub": "ada", "aud": "lake", "iat": now, "exp": now + 600} | claims
        said = {name: value for name, value in said.items() if value is not None}
        head = {"alg": "RS256", "typ": "JWT", "kid": kid} | (header or {})
        message = f"{text(json.dumps(head).encode())}.{text(json.dumps(said).encode())}"
        key = self.keys.get(kid) or RSA.generate(2048)
        signature = pkcs1_15.new(key).sign(SHA256.new(message.encode()))
        return f"{message}.{text(signature)}"
