"""Plain HTTP, unsigned unless the URL is: what browsers send."""

from dataclasses import dataclass

import urllib3

POOL = urllib3.PoolManager(retries=False, timeout=20)


@dataclass
class Answer:
    status_code: int
    headers: urllib3.HTTPHeaderDict
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


def request(method: str, url: str, *, data=None, fields=None, headers=None) -> Answer:
    """One request; `fields` are a form's. Redirects are answers, not followed."""
    arguments = {"headers": headers or {}, "redirect": False}
    if fields is not None:
        answer = POOL.request(method, url, fields=fields, encode_multipart=True, **arguments)
    else:
        answer = POOL.urlopen(method, url, body=data, **arguments)
    return Answer(answer.status, answer.headers, answer.data)


def get(url: str, headers=None) -> Answer:
    return request("GET", url, headers=headers)


def put(url: str, data=b"", headers=None) -> Answer:
    return request("PUT", url, data=data, headers=headers)


def options(url: str, headers=None) -> Answer:
    return request("OPTIONS", url, headers=headers)
