"""How requests come in: HTTPS with a certificate of the lake's own, its renewal without a restart, proxies, and sources that guess keys."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.request

import pytest
from botocore.exceptions import ClientError

from ..conftest import wait_for


def tls_init(folder, *names) -> str:
    """Makes the files; gives the lines for the configuration."""
    command = [os.environ["TARN_BINARY"], "tls", "init", "--directory", str(folder)]
    made = subprocess.run([*command, *names], check=True, capture_output=True, text=True, timeout=60)
    assert "AWS_CA_BUNDLE=" in made.stderr
    return made.stdout


@pytest.fixture
def https(own_server, tmp_path, monkeypatch):
    own_server.settings = tls_init(tmp_path / "tls", "--name", "lake.example")
    own_server.authority = tmp_path / "tls" / "ca.pem"
    monkeypatch.setenv("AWS_CA_BUNDLE", str(own_server.authority))
    return own_server.start()


def certificate(server, name="lake.example") -> bytes:
    trust = ssl.create_default_context(cafile=server.authority)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain:
        with trust.wrap_socket(plain, server_hostname=name) as secure:
            return secure.getpeercert(binary_form=True)


def secure_only(bucket, **condition) -> str:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}/*"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [deny | {"Condition": condition}]})


def test_clients_come_in_over_tls(https):
    account = https.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    body = os.urandom(3_000_000)
    s3.put_bucket_policy(Bucket=bucket, Policy=secure_only(bucket, Bool={"aws:SecureTransport": "false"}))
    s3.put_object(Bucket=bucket, Key="a", Body=body)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == body
    s3.put_bucket_policy(Bucket=bucket, Policy=secure_only(bucket, NumericLessThan={"s3:TlsVersion": "1.3"}))
    assert s3.head_object(Bucket=bucket, Key="a")["ContentLength"] == len(body)
    s3.put_bucket_policy(Bucket=bucket, Policy=secure_only(bucket, NumericLessThan={"s3:TlsVersion": "1.4"}))
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="b", Body=b"b")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert account.client("sts").get_caller_identity()["Account"] == account.id

    trusting = account.env() | {"AWS_CA_BUNDLE": str(https.authority)}
    tarn = [os.environ["TARN_BINARY"], "ls", f"s3://{bucket}/"]
    shown = subprocess.run(tarn, check=True, capture_output=True, text=True, timeout=60, env=trusting)
    assert shown.stdout.split()[-1] == "a"
    mistrusting = subprocess.run(tarn, capture_output=True, text=True, timeout=60, env=account.env())
    assert mistrusting.returncode == 1 and "certificate" in mistrusting.stderr


def test_the_listener_speaks_modern_tls_and_http_2_and_nothing_else(https):
    def agreed(protocols, **limits) -> tuple:
        trust = ssl.create_default_context(cafile=https.authority)
        trust.set_alpn_protocols(protocols)
        for name, value in limits.items():
            setattr(trust, name, value)
        with socket.create_connection(("127.0.0.1", https.port), timeout=10) as plain:
            with trust.wrap_socket(plain, server_hostname="bucket.lake.example") as secure:
                return secure.version(), secure.selected_alpn_protocol()

    assert agreed(["h2", "http/1.1"]) == ("TLSv1.3", "h2")
    assert agreed(["http/1.1"]) == ("TLSv1.3", "http/1.1")
    assert agreed(["h2"], maximum_version=ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", "h2")
    with pytest.raises((ssl.SSLError, OSError)):
        agreed(["h2"], maximum_version=ssl.TLSVersion.TLSv1_1, minimum_version=ssl.TLSVersion.TLSv1)
    plain = http.client.HTTPConnection("127.0.0.1", https.port, timeout=10)
    plain.request("GET", "/-/health/live")
    answer = plain.getresponse()
    assert answer.status == 400 and b"https://" in answer.read()


def test_access_logs_name_the_connection(https):
    account = https.accounts[0]
    https.stop()
    https.environment["TARN_ACCESS_LOG_SECONDS"] = "1"
    https.start()
    s3, bucket, logs = account.client("s3"), account.bucket(), account.bucket()
    source = f"arn:aws:s3:::{bucket}"
    letting_in = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{logs}/*",
        "Condition": {"ArnLike": {"aws:SourceArn": source}},
    }
    s3.put_bucket_policy(Bucket=logs, Policy=json.dumps({"Version": "2012-10-17", "Statement": [letting_in]}))
    target = {"LoggingEnabled": {"TargetBucket": logs, "TargetPrefix": "l/"}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=target)
    s3.put_object(Bucket=bucket, Key="seen", Body=b"seen")

    def lines() -> str:
        found = s3.list_objects_v2(Bucket=logs).get("Contents", [])
        return "".join(s3.get_object(Bucket=logs, Key=each["Key"])["Body"].read().decode() for each in found)

    text = wait_for(lines, enough=lambda text: "REST.PUT.OBJECT seen" in text)
    line = next(line for line in text.splitlines() if "REST.PUT.OBJECT seen" in line)
    assert re.search(r" SigV4 TLS_AES_\S+ AuthHeader \S+ TLSv1\.3 - -", line), line


def test_a_new_certificate_is_taken_up_without_a_restart(https, tmp_path):
    first = certificate(https)
    # Files that make no pair change nothing.
    tls_init(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "certificate.pem", tmp_path / "tls" / "certificate.pem")
    os.kill(https.process.pid, signal.SIGHUP)
    wait_for(lambda: "the old certificate stays" in https.log.read_text())
    assert certificate(https) == first
    for name in ("private-key.pem", "ca.pem"):
        shutil.copy(tmp_path / "other" / name, tmp_path / "tls" / name)
    os.kill(https.process.pid, signal.SIGHUP)
    wait_for(lambda: "the TLS certificate was read again" in https.log.read_text())
    assert certificate(https, "localhost") != first


def test_a_start_without_its_certificate_says_what_is_missing(own_server, tmp_path):
    own_server.settings = tls_init(tmp_path / "tls")
    (tmp_path / "tls" / "private-key.pem").unlink()
    own_server.authority = tmp_path / "tls" / "ca.pem"
    with pytest.raises(RuntimeError, match="private-key.pem cannot be used for TLS"):
        own_server.start()
    again = subprocess.run(
        [os.environ["TARN_BINARY"], "tls", "init", "--directory", str(tmp_path / "tls")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    # It makes what is missing last: nothing was replaced, and the command says so.
    assert again.returncode == 1 and "certificate.pem" in again.stderr


def source_policy(bucket, address) -> str:
    return secure_only(bucket, NotIpAddress={"aws:SourceIp": address})


def test_only_a_trusted_proxy_says_who_asks(own_server):
    def get(account, bucket, **headers):
        url = account.client("s3").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a"})
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    server = own_server.start()
    account = server.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    s3.put_bucket_policy(Bucket=bucket, Policy=source_policy(bucket, "192.0.2.7"))
    assert get(account, bucket, **{"X-Forwarded-For": "192.0.2.7"}) == 403
    server.stop()
    server.settings = 'trusted_proxies = ["127.0.0.0/8"]\n'
    server.start()
    assert get(account, bucket, **{"X-Forwarded-For": "192.0.2.7"}) == 200
    assert get(account, bucket, **{"X-Forwarded-For": "192.0.2.7, 192.0.2.8"}) == 403
    assert get(account, bucket) == 403


def test_a_source_that_guesses_is_slowed_down(own_server):
    server = own_server.start()
    account = server.accounts[0]
    s3, bucket = account.client("s3"), account.bucket()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)

    def guess(number) -> int:
        scope = f"AKIAGUESS{number:011}/20261126/us-east-1/s3/aws4_request"
        signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={number:064x}"
        connection.request("GET", f"/{bucket}/a", headers={"Authorization": signature, "x-amz-date": "20261126T000000Z"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    answers = [guess(number) for number in range(1_000)]
    assert answers[0] == 403 and answers[-1] == 503 and answers.count(503) > 300
    # Who knows a key is let in all the while, from the same address.
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
