"""Raw signed HTTP: what boto3 would refuse to send, or would mend on its way out. Every answer is held to the rules that all answers keep."""

import base64
import hashlib
import http.client
import json
import re
import xml.etree.ElementTree
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SECONDS_MAX = 20
REGION = "us-east-1"


@dataclass
class Answer:
    """One answer of the server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_json(self) -> bool:
        return "json" in self.headers.get("content-type", "")

    def error(self) -> tuple[str, str]:
        """Code and message of an error; both empty where the answer has no body to say them in."""
        if not self.body:
            return "", ""
        if self.is_json:
            read = json.loads(self.body)
            # Of REST services, the code is in a header.
            code = read.get("__type") or self.headers["x-amzn-errortype"]
            return code.rsplit("#")[-1], read.get("message") or read.get("Message") or ""
        root = xml.etree.ElementTree.fromstring(self.body)
        texts = {element.tag.rsplit("}")[-1]: element.text or "" for element in root.iter()}
        return texts.get("Code", ""), texts.get("Message", "")

    def __str__(self) -> str:
        return f"{self.status} {self.body[:400]!r}"


class Wire:
    """One connection that is kept as long as the server keeps it, and an account to sign as."""

    def __init__(self, account, service: str):
        self.account, self.service = account, service
        self.address = urlsplit(account.endpoint).netloc
        self.connection: http.client.HTTPConnection | None = None

    def headers(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> list[tuple[str, str]]:
        """The headers with a signature over them."""
        plain: dict[str, str] = {}
        for name, value in headers:
            key = name.lower()
            plain[key] = f"{plain[key]},{value}" if key in plain else value
        request = AWSRequest(method=method, url=f"http://{self.address}{path}", data=body, headers=plain)
        keys = Credentials(self.account.access_key_id, self.account.secret_access_key)
        signer = (ExactS3 if self.service == "s3" else SigV4Auth)(keys, self.service, REGION)
        signer.add_auth(request)
        added = {name.lower(): value for name, value in request.headers.items() if name.lower() not in plain}
        return headers + list(added.items())

    def send(self, method: str, path: str, headers=(), body: bytes = b"", sign: bool = True, length: bool = True) -> Answer:
        """One request, exactly as it is given. A connection that is dropped without an answer is an error here."""
        headers = list(headers)
        if sign:
            headers = self.headers(method, path, headers, body)
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.address, timeout=SECONDS_MAX)
        connection = self.connection
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("host", self.address)
            for name, value in headers:
                connection.putheader(name, value if isinstance(value, bytes) else value.encode("utf-8"))
            names = {name.lower() for name, _ in headers}
            if length and not names & {"content-length", "transfer-encoding"} and (body or method in ("PUT", "POST")):
                connection.putheader("content-length", str(len(body)))
            connection.endheaders()
            if body:
                connection.send(body)
            response = connection.getresponse()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        except Exception:
            self.close()
            raise
        if response.will_close:
            self.close()
        return answer

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class ExactS3(S3SigV4Auth):
    """Signs the digest of the payload that the request states, be it what it may."""

    def _modify_request_before_signing(self, request):
        stated = request.headers.get("x-amz-content-sha256")
        super()._modify_request_before_signing(request)
        if stated is not None:
            del request.headers["x-amz-content-sha256"]
            request.headers["x-amz-content-sha256"] = stated


def refusal(answer: Answer, codes=None, words=()) -> str | None:
    """What is wrong with a refusal: `None` if it is one as it should be."""
    if not 400 <= answer.status < 500:
        return f"is answered {answer}"
    try:
        code, message = answer.error()
    except Exception as error:  # noqa: BLE001
        return f"is refused with a body that no client can read ({error!r}): {answer}"
    if not answer.body:
        return None
    if not re.fullmatch(r"[A-Za-z0-9.]+", code):
        return f"is refused without a code: {answer}"
    if codes is not None and code not in codes:
        return f"is refused with {code}, not one of {sorted(codes)}: {answer}"
    if not message:
        return f"is refused without a message: {answer}"
    missing = [word for word in words if word.lower() not in message.lower()]
    if missing:
        return f"is refused without naming {missing}: {message}"
    return None


def survived(answer: Answer) -> str | None:
    """What is wrong with an answer to something that may or may not be refused."""
    return None if answer.status < 400 else refusal(answer)


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()
