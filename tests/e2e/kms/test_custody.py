"""Custody of the root key: who must be asked before a lake opens, and what happens when they say no; rotation and its crashes."""

import base64
import http.server
import json
import os
import shutil
import subprocess
import threading

import pytest

from ..conftest import Server, make_accounts
from .test_keys import make

PASSPHRASE = "correct horse battery staple"


def tarn(*arguments: str, environment: dict | None = None) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TARN_"))}
    return subprocess.run(
        [os.environ["TARN_BINARY"], *arguments], env=kept | (environment or {}), capture_output=True, text=True, timeout=300
    )


def config(server: Server) -> tuple[str, ...]:
    return ("--data-dir", str(server.data_dir), "--config", str(server.data_dir.parent / "tarn.toml"))


def put(server: Server, body: bytes) -> None:
    account = server.root()
    account.client("s3").put_object(Bucket="lake-raw", Key="kept", Body=body)
    key = make(account.client("kms"))["KeyId"]
    account.client("s3").put_object(
        Bucket="lake-raw", Key="kept-by-kms", Body=body, ServerSideEncryption="aws:kms", SSEKMSKeyId=key
    )


def check_kept(server: Server, body: bytes) -> None:
    s3 = server.root().client("s3")
    for key in ("kept", "kept-by-kms"):
        assert s3.get_object(Bucket="lake-raw", Key=key)["Body"].read() == body


def refuses(server: Server, words: str) -> None:
    """It does not start, says why, and changes nothing."""
    before = (server.data_dir / "keys" / "root.key").read_bytes()
    with pytest.raises(RuntimeError, match=words):
        server.start()
    assert (server.data_dir / "keys" / "root.key").read_bytes() == before


def test_a_passphrase_keeps_the_root_key(own_server, tmp_path):
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    own_server.settings = f'[root_key]\ncustody = "passphrase"\npassphrase_file = "{secret}"\n'
    own_server.start()
    put(own_server, b"planted")
    own_server.stop()
    text = (own_server.data_dir / "keys" / "root.key").read_text()
    assert text.startswith("tarn-wrapped-root-key-1 passphrase ") and PASSPHRASE not in text
    assert (own_server.data_dir / "keys" / "root.key").stat().st_mode & 0o777 == 0o600
    own_server.start()
    check_kept(own_server, b"planted")
    own_server.stop()

    secret.write_text("another passphrase")
    refuses(own_server, "passphrase does not open")
    secret.unlink()
    refuses(own_server, "cannot be read")
    own_server.settings = ""
    refuses(own_server, "custody")
    # From the environment and from systemd's credentials.
    own_server.settings = '[root_key]\ncustody = "passphrase"\npassphrase_env = "LAKE_PASSPHRASE"\n'
    refuses(own_server, "LAKE_PASSPHRASE")
    own_server.environment = {"LAKE_PASSPHRASE": PASSPHRASE}
    own_server.start()
    check_kept(own_server, b"planted")
    own_server.stop()
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "lake").write_text(PASSPHRASE)
    own_server.settings = '[root_key]\ncustody = "passphrase"\npassphrase_credential = "lake"\n'
    own_server.environment = {"CREDENTIALS_DIRECTORY": str(credentials)}
    own_server.start()
    check_kept(own_server, b"planted")
    own_server.stop()
    assert PASSPHRASE not in own_server.log.read_text()


def test_a_lake_does_not_start_without_its_key(own_server):
    own_server.start()
    own_server.stop()
    file = own_server.data_dir / "keys" / "root.key"
    kept = file.read_bytes()
    file.unlink()
    with pytest.raises(RuntimeError, match="put the file back"):
        own_server.start()
    assert not file.exists()
    file.write_bytes(kept)
    file.chmod(0o644)
    refuses(own_server, "chmod 600")
    file.chmod(0o600)
    own_server.start()
    own_server.stop()


def test_another_kms_keeps_the_root_key(own_server, tmp_path):
    """A second Tarn plays the KMS; its key disabled, the lake does not open."""
    keeper = Server(tmp_path / "keeper" / "data", make_accounts(1))
    keeper.data_dir.parent.mkdir()
    keeper.start()
    try:
        account = keeper.root()
        key = make(account.client("kms"))["KeyId"]
        own_server.settings = (
            f'[root_key]\ncustody = "aws-kms"\nendpoint = "{keeper.endpoint}"\nregion = "us-east-1"\nkey = "{key}"\n'
            f'access_key_id = "{account.access_key_id}"\nsecret_access_key = "{account.secret_access_key}"\n'
        )
        own_server.start()
        put(own_server, b"planted")
        own_server.stop()
        own_server.start()
        check_kept(own_server, b"planted")
        own_server.stop()
        account.client("kms").disable_key(KeyId=key)
        refuses(own_server, "DisabledException")
        account.client("kms").enable_key(KeyId=key)
        own_server.start()
        check_kept(own_server, b"planted")
        own_server.stop()
        events = account.client("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "Decrypt"}]
        )["Events"]
        assert events, "the other KMS has on record who opened the lake"
        shown = tarn("config", "show", *config(own_server)).stdout
        assert account.secret_access_key not in shown and "aws-kms" in shown
    finally:
        keeper.kill()
    refuses(own_server, "could not be reached")


class Vault(http.server.BaseHTTPRequestHandler):
    """As much of Vault's transit engine as it takes: another process than the lake's keeps the key."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer, status = {"errors": ["permission denied"]}, 403
        if self.headers["x-vault-token"] == "a-token":
            status = 200
            if self.path == "/v1/transit/encrypt/tarn":
                plain = base64.b64decode(body["plaintext"])
                mixed = base64.b64encode(bytes(byte ^ 0x5A for byte in plain)).decode()
                answer = {"data": {"ciphertext": f"vault:v1:{mixed}"}}
            elif self.path == "/v1/transit/decrypt/tarn":
                mixed = base64.b64decode(body["ciphertext"].removeprefix("vault:v1:"))
                answer = {"data": {"plaintext": base64.b64encode(bytes(byte ^ 0x5A for byte in mixed)).decode()}}
            else:
                answer, status = {"errors": []}, 404
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def test_vault_keeps_the_root_key(own_server, tmp_path):
    vault = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vault)
    threading.Thread(target=vault.serve_forever, daemon=True).start()
    token = tmp_path / "token"
    token.write_text("a-token\n")
    own_server.settings = (
        f'[root_key]\ncustody = "vault-transit"\nendpoint = "http://127.0.0.1:{vault.server_port}"\n'
        f'key = "tarn"\ntoken_file = "{token}"\n'
    )
    try:
        own_server.start()
        put(own_server, b"planted")
        own_server.stop()
        own_server.start()
        check_kept(own_server, b"planted")
        own_server.stop()
        token.write_text("another-token")
        refuses(own_server, "permission denied")
    finally:
        vault.shutdown()


def test_the_root_key_is_rotated_and_a_restore_is_verified(own_server, tmp_path):
    own_server.start()
    put(own_server, b"planted")
    own_server.root().client("s3").put_object(
        Bucket="lake-raw", Key="by-customer", Body=b"x", SSECustomerAlgorithm="AES256", SSECustomerKey=b"k" * 32
    )
    session = own_server.root().user("someone").client("sts").get_session_token()["Credentials"]
    running = tarn("keys", "rotate-root", *config(own_server))
    assert running.returncode == 1 and "cannot be used" in running.stderr, "not while a server uses it"
    own_server.stop()
    file = own_server.data_dir / "keys" / "root.key"
    first = file.read_text()

    # In place, in the clear; then under a passphrase, with the file as it was before.
    assert tarn("keys", "rotate-root", *config(own_server)).returncode == 0
    second = file.read_text()
    assert second != first and second.startswith("tarn-root-key-1 ")
    previous = tmp_path / "previous.toml"
    previous.write_text("")
    own_server.settings = '[root_key]\ncustody = "passphrase"\npassphrase_env = "LAKE_PASSPHRASE"\n'
    own_server.environment = {"LAKE_PASSPHRASE": PASSPHRASE}
    toml = own_server.data_dir.parent / "tarn.toml"
    toml.write_text(own_server.settings)
    rotate = ("keys", "rotate-root", *config(own_server), "--previous-config", str(previous))
    short = tarn(*rotate, environment={"LAKE_PASSPHRASE": "short"})
    assert short.returncode == 1 and "characters" in short.stderr
    assert file.read_text() == second
    assert tarn(*rotate, environment=own_server.environment).returncode == 0
    third = file.read_text()
    assert third.startswith("tarn-wrapped-root-key-1 passphrase ")

    # A backup, restored with its root key, opens; with an older root key it does not.
    restored = tmp_path / "restored"
    shutil.copytree(own_server.data_dir, restored)
    verify = ("keys", "verify-restore", "--data-dir", str(restored), "--config", str(toml), "--json")
    verified = tarn(*verify, environment=own_server.environment)
    assert verified.returncode == 0, verified.stderr
    told = json.loads(verified.stdout)
    assert (told["failed"], told["underCustomersKeys"]) == (0, 1) and told["opened"] >= 2
    for old in (first, second):
        (restored / "keys" / "root.key").write_text(old)
        refused = tarn("keys", "verify-restore", "--data-dir", str(restored), "--config", str(previous), "--json")
        assert refused.returncode == 1 and "not the one that sealed this lake" in refused.stderr, refused.stderr
    (restored / "keys" / "root.key").write_text(third)
    packs = [path for path in (restored / "blobs").rglob("*") if path.is_file() and path.stat().st_size]
    for path in packs:
        path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    damaged = tarn(*verify, environment=own_server.environment)
    assert damaged.returncode == 1, "bytes that are not what was written do not open"

    # Everything is as it was, sessions too.
    own_server.start()
    check_kept(own_server, b"planted")
    account = own_server.root()
    account.access_key_id, account.secret_access_key = session["AccessKeyId"], session["SecretAccessKey"]
    account.session_token = session["SessionToken"]
    account.client("sts").get_caller_identity()
    own_server.stop()


def test_a_rotation_that_is_cut_short(own_server, tmp_path):
    """Killed again and again at whatever moment, the lake opens with one of the two custodies, and nothing is lost."""
    own_server.start()
    put(own_server, b"planted")
    own_server.stop()
    custodies = {"file": "", "passphrase": '[root_key]\ncustody = "passphrase"\npassphrase_env = "LAKE_PASSPHRASE"\n'}
    own_server.environment = {"LAKE_PASSPHRASE": PASSPHRASE}
    files = {}
    for name, text in custodies.items():
        files[name] = tmp_path / f"{name}.toml"
        files[name].write_text(text)
    kept = "file"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TARN_"))}
    for number in range(6):
        to = "passphrase" if kept == "file" else "file"
        process = subprocess.Popen(
            [
                os.environ["TARN_BINARY"], "keys", "rotate-root", "--data-dir", str(own_server.data_dir),
                "--config", str(files[to]), "--previous-config", str(files[kept]),
            ],
            env=environment | own_server.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(0.02 + 0.1 * number)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        opened = [
            name
            for name, file in files.items()
            if tarn(
                "keys", "verify-restore", "--data-dir", str(own_server.data_dir), "--config", str(file),
                environment=own_server.environment,
            ).returncode == 0
        ]  # fmt: skip
        assert len(opened) == 1, opened
        kept = opened[0]
    own_server.settings = custodies[kept]
    own_server.start()
    check_kept(own_server, b"planted")
    own_server.stop()
