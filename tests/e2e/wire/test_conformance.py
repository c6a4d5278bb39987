"""botocore against Tarn's codecs, without a server: what botocore writes Tarn reads, what Tarn writes botocore reads.

`TARN_CONFORMANCE` names the binary of `wire/aws-model/examples/conformance`; `TARN_CONFORMANCE_SEEDS` is how many random
inputs each operation gets. Every failure names its seed. `exceptions.txt` lists what is known to fail; a line that does
not fail any more is itself a failure, so the list only shrinks.
"""

import atexit
import base64
import functools
import json
import os
import subprocess
import threading
from pathlib import Path

import botocore.config
import botocore.exceptions
import botocore.handlers
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse

from .generate import Generator, neutral, pruned, recursive_shapes

SEEDS = int(os.environ.get("TARN_CONFORMANCE_SEEDS", "20"))
BINARY = os.environ.get("TARN_CONFORMANCE")
EXACT = ("json", "smithy-rpc-v2-cbor")
# Services without generated operations, so that each protocol meets real models: the tables are made at run time.
OTHERS = {
    "json 1.0": ["sqs", "dynamodb"],
    "json 1.1": ["kinesis", "kms"],
    "query": ["sns", "redshift", "cloudformation"],
    "rest-json": ["batch", "lakeformation", "emr-serverless", "s3tables"],
    "rest-xml": ["s3control", "cloudfront", "route53"],
    "cbor": ["eventbridgev2", "partnercentral-revenue-measurement"],
}
SEEDS_OF_OTHERS = 3

pytestmark = pytest.mark.skipif(not BINARY and not os.environ.get("CI"), reason="TARN_CONFORMANCE is not set")


class Tarn:
    """The Rust half, one line in and one line out."""

    def __init__(self):
        self.process = subprocess.Popen([BINARY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self.lock = threading.Lock()
        atexit.register(self.process.kill)

    def __call__(self, **line):
        with self.lock:
            self.process.stdin.write(json.dumps(line) + "\n")
            self.process.stdin.flush()
            text = self.process.stdout.readline()
        assert text, f"the Rust half died on {line}"
        answer = json.loads(text)
        assert "failure" not in answer, f"{answer['failure']}: {line}"
        return answer


@functools.cache
def tarn():
    return Tarn()


@functools.cache
def loaded(service):
    model = botocore.session.get_session().get_component("data_loader").load_service_model(service, "service-2")
    protocol = client(service).meta.service_model.resolved_protocol
    model = json.loads(json.dumps(model))
    model["metadata"]["protocol"] = protocol
    tarn()(do="load", service=service, model=model)
    return recursive_shapes(model)


class Raw:
    """The body of an answer, as urllib3 would hand it over."""

    def __init__(self, body):
        self.body = body

    def stream(self, **_):
        yield self.read()

    def read(self, *_, **__):
        body, self.body = self.body, b""
        return body


class Wire:
    """Stands where the network would be: shows the request, gives the answer."""

    def __init__(self, client):
        self.request = None
        self.response = None
        client.meta.events.register("before-send", self.send)

    def send(self, request, **_):
        self.request = request
        line = self.response
        return AWSResponse(request.url, line["status"], line["headers"], Raw(base64.b64decode(line["body"])))

    def line(self, service):
        body = self.request.body or b""
        if hasattr(body, "read"):
            body = body.read()
        if isinstance(body, str):
            body = body.encode()
        rest = self.request.url.split("://", 1)[1]
        headers = {}
        for name, value in self.request.headers.items():
            headers[name] = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        return {
            "do": "decode",
            "service": service,
            "method": self.request.method,
            "uri": "/" + rest.split("/", 1)[1] if "/" in rest else "/",
            "headers": headers,
            "body": base64.b64encode(body).decode(),
        }


@functools.cache
def client(service):
    config = botocore.config.Config(
        parameter_validation=False, retries={"total_max_attempts": 1}, inject_host_prefix=False, disable_request_compression=True
    )
    session = botocore.session.Session()
    made = session.create_client(
        service,
        region_name="us-east-1",
        endpoint_url="http://tarn.example",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=config,
    )
    # Conveniences that change what was asked for or answered, beyond the wire.
    made.meta.events.unregister("after-call.iam", botocore.handlers.json_decode_policies)
    made.meta.events.unregister("before-parameter-build.route53", botocore.handlers.fix_route53_ids)
    made.wire = Wire(made)
    return made


def exchange(service, operation, seed, skip=frozenset(), typed=True):
    """One call through botocore; raises AssertionError with the seed when either half reads something else."""
    here = client(service)
    model = here.meta.service_model.operation_model(operation)
    protocol = here.meta.service_model.resolved_protocol
    same = (lambda value: value) if protocol in EXACT else pruned
    inputs = Generator(f"{service}.{operation}.{seed}.in", protocol, skip=skip)
    params = inputs.structure(model.input_shape) if model.input_shape else {}
    sent = neutral(model.input_shape, params) if model.input_shape else {}
    outputs = Generator(f"{service}.{operation}.{seed}.out", protocol, output=True, skip=skip)
    result = outputs.structure(model.output_shape) if model.output_shape else {}
    for name, member in (model.output_shape.members if model.output_shape else {}).items():
        if member.serialization.get("location") == "statusCode":
            result.pop(name, None)
    shown = neutral(model.output_shape, result) if model.output_shape else {}
    where = f"{service}.{operation} seed {seed}"

    here.wire.response = tarn()(do="encode", service=service, operation=operation, value=shown)
    received = here._make_api_call(operation, params)
    received.pop("ResponseMetadata", None)
    read = neutral(model.output_shape, received) if model.output_shape else {}
    for name, member in (model.output_shape.members if model.output_shape else {}).items():
        if member.serialization.get("location") == "statusCode":
            read.pop(name, None)
        # An empty body is an empty payload to botocore.
        if name == model.output_shape.serialization.get("payload") and read.get(name) == "" and name not in shown:
            read.pop(name)
    got = tarn()(**here.wire.line(service))
    assert got.get("operation") == operation, f"{where}: {got}"
    assert same(got["value"]) == same(sent), f"{where}: input"
    assert same(read) == same(shown), f"{where}: output"
    if typed and inputs.surely_valid:
        assert got["violations"] is None, f"{where}: valid input is refused: {got['violations']}"
    return inputs.surely_valid


def errors(service, operation):
    """Every declared error of an operation, as botocore raises it."""
    here = client(service)
    model = here.meta.service_model.operation_model(operation)
    protocol = here.meta.service_model.resolved_protocol
    for shape in model.error_shapes:
        generator = Generator(f"{service}.{operation}.{shape.name}", protocol, output=True)
        fields = {name: value for name, value in generator.structure(shape, 1.0).items() if name.lower() != "message"}
        message = "No <such> thing & no \"other\": é😀"
        here.wire.response = tarn()(
            do="error", service=service, operation=operation, error=shape.name, message=message, fields=neutral(shape, fields)
        )
        with pytest.raises(botocore.exceptions.ClientError) as raised:
            # Without what stands in the path, and in S3 Control's host name, botocore knows no endpoint.
            members = model.input_shape.members if model.input_shape else {}
            labels = {name: "label" for name, member in members.items() if member.serialization.get("location") == "uri"}
            here._make_api_call(operation, labels | ({"AccountId": "000000000000"} if service == "s3control" else {}))
        failure = raised.value
        code = shape.metadata.get("error", {}).get("code", shape.name) if protocol in ("query", "rest-xml") else shape.name
        assert failure.response["Error"]["Code"] == code, shape.name
        assert failure.response["Error"]["Message"] == message, shape.name
        assert type(failure).__name__ == shape.name
        assert failure.response["ResponseMetadata"]["RequestId"] == "request-1", shape.name
        got = {name: value for name, value in failure.response.items() if name in fields}
        same = (lambda value: value) if protocol in EXACT else pruned
        assert same(neutral(shape, got)) == same(neutral(shape, fields)), shape.name


def exceptions():
    lines = (Path(__file__).parent / "exceptions.txt").read_text().splitlines()
    return {line.split("#")[0].strip() for line in lines} - {""}


def check(name, run):
    """Runs a case; a case on the list of exceptions must fail."""
    if name not in exceptions():
        run()
        return
    try:
        run()
    except Exception:
        pytest.xfail("listed in exceptions.txt")
    pytest.fail(f"{name} does not fail any more: take it off exceptions.txt")


def served():
    if not BINARY:
        return []
    return [(service, operation) for service, operations in sorted(tarn()(do="services").items()) for operation in operations]


@pytest.mark.parametrize(("service", "operation"), served())
def test_operation(service, operation):
    def run():
        valid = [exchange(service, operation, seed) for seed in range(SEEDS)]
        print(f"{service}.{operation}: {sum(valid)} of {SEEDS} inputs satisfied every constraint")
        errors(service, operation)

    check(f"{service} {operation}", run)


@pytest.mark.parametrize("service", sorted({service for services in OTHERS.values() for service in services}))
def test_other_models(service):
    """Real models of services that are not served, for the protocols' sake. All operations; documents and event streams are left out."""
    skip = loaded(service)
    known = tarn()(do="services")[service]
    failures = []
    listed = exceptions()
    assert known
    for operation in known:
        name = f"{service} {operation}"
        try:
            for seed in range(SEEDS_OF_OTHERS):
                exchange(service, operation, seed, skip, typed=False)
            failed = None
        except Exception as failure:
            failed = f"{name}: {type(failure).__name__}: {str(failure)[:600]}"
        if failed and name not in listed:
            failures.append(failed)
        if not failed and name in listed:
            failures.append(f"{name} does not fail any more: take it off exceptions.txt")
    assert not failures, f"{len(failures)} of {len(known)} operations:\n" + "\n".join(failures)


def test_unknown_operations_are_told_apart():
    """AWS's operations that are not built answer 501 and their name; others answer as on AWS."""
    line = {"do": "decode", "method": "POST", "uri": "/", "body": ""}
    target = {"content-type": "application/x-amz-json-1.1"}
    got = tarn()(**line, service="glue", headers=target | {"x-amz-target": "AWSGlue.CreateJob"})["error"]
    assert (got["status"], got["code"]) == (501, "UnknownOperationException") and "CreateJob" in got["message"]
    got = tarn()(**line, service="glue", headers=target | {"x-amz-target": "AWSGlue.Nothing"})["error"]
    assert (got["status"], got["code"]) == (400, "UnknownOperationException")
    form = {"content-type": "application/x-www-form-urlencoded"}
    line["body"] = base64.b64encode(b"Action=CreateSAMLProvider&Version=2010-05-08").decode()
    got = tarn()(**line, service="iam", headers=form)["error"]
    assert got["status"] == 501 and "CreateSAMLProvider" in got["message"]
