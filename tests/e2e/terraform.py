"""What the tests of Terraform's calls share. The calls, their order and what counts as gone are those of the aws provider:
https://github.com/hashicorp/terraform-provider-aws/tree/main/internal/service"""

import pytest
from botocore.exceptions import ClientError


def ask(call, **arguments) -> dict | str:
    """What a call answers, or the code of its error."""
    try:
        answer = call(**arguments)
    except ClientError as refused:
        return refused.response["Error"]["Code"]
    answer.pop("ResponseMetadata")
    return answer


def refusal(call, **arguments) -> str:
    """The message of a call's error, by whose words the provider knows some things to be gone."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Message"]


class Resource:
    """A resource as the provider keeps it: by the calls that read it."""

    def __init__(self, *reads):
        self.reads = [read if isinstance(read, tuple) else (read, {}) for read in reads]

    def ask(self) -> list[dict | str]:
        return [ask(call, **arguments) for call, arguments in self.reads]

    def read(self) -> list[dict | str]:
        """What a read-back finds. The plan that follows must find the same, or Terraform never comes to rest."""
        found = self.ask()
        assert self.ask() == found
        return found
