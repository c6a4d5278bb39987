"""Terraform itself against the server, where it and its aws provider are at hand: `TARN_TERRAFORM_PLUGINS` names the folder of the
provider (`terraform providers mirror FOLDER`). The calls it makes are replayed without it in the files test_terraform_calls.py."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "terraform" / "main.tf"
PLUGINS = os.environ.get("TARN_TERRAFORM_PLUGINS")
# Of `terraform plan -detailed-exitcode`.
NO_DIFFERENCES, DIFFERENCES = 0, 2


@pytest.mark.skipif(not PLUGINS, reason="TARN_TERRAFORM_PLUGINS names no folder with the aws provider")
def test_the_example_comes_to_rest_changes_and_goes(account, tmp_path):
    shutil.copy(EXAMPLE, tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))} | {
        "AWS_ENDPOINT_URL": account.endpoint, "AWS_ACCESS_KEY_ID": account.access_key_id,
        "AWS_SECRET_ACCESS_KEY": account.secret_access_key, "TF_VAR_prefix": f"tf-{account.id}",
    }

    def terraform(*arguments, code=0) -> str:
        run = subprocess.run(["terraform", *arguments, "-no-color"], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == code, run.stdout + run.stderr
        return run.stdout

    def plan(*arguments, code) -> None:
        terraform("plan", "-input=false", "-detailed-exitcode", *arguments, code=code)

    terraform("init", f"-plugin-dir={PLUGINS}")
    terraform("apply", "-input=false", "-auto-approve")
    kept = json.loads((tmp_path / "terraform.tfstate").read_text())["resources"]
    assert len([resource for resource in kept if resource["mode"] == "managed"]) == 34
    plan(code=NO_DIFFERENCES)
    environment["TF_VAR_expiration_days"] = "50"
    plan(code=DIFFERENCES)
    terraform("apply", "-input=false", "-auto-approve")
    plan(code=NO_DIFFERENCES)
    terraform("destroy", "-input=false", "-auto-approve")
    assert json.loads((tmp_path / "terraform.tfstate").read_text())["resources"] == []
    assert account.client("s3").list_buckets()["Buckets"] == []
