"""A client of the Kubernetes API: JSON over HTTPS with a token, and nothing else."""

import http.client
import json
import ssl
import urllib.parse

JSON, MERGE, STRATEGIC = (
    "application/json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)

LOST = (OSError, http.client.HTTPException, ValueError)
"""How a connection ends that the server, or a busy machine, did not keep."""


class RefusedError(Exception):
    """What the server does not do: its code, and its own words."""

    def __init__(self, code, said):
        super().__init__(f"{code}: {said}")
        self.code, self.said = code, said


class Api:
    """One user of one server."""

    def __init__(self, port, token, authority):
        self.port, self.token = port, token
        self.trust = ssl.create_default_context(cafile=str(authority))
        self.warnings = []

    def ask(self, verb, path, body=None, form=JSON, limit_s=30):
        """Send a request and give the open answer; the connection is closed with it."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.trust, timeout=limit_s)
        header = {"Authorization": f"Bearer {self.token}", "Content-Type": form, "Accept": JSON, "Connection": "close"}
        connection.request(verb, path, None if body is None else json.dumps(body), header)
        answer = connection.getresponse()
        self.warnings += answer.headers.get_all("Warning") or []
        if answer.status >= 300:
            raise RefusedError(answer.status, answer.read().decode())
        return answer

    def call(self, verb, path, body=None, form=JSON):
        with self.ask(verb, path, body, form) as answer:
            return json.loads(answer.read() or b"{}")

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body):
        return self.call("POST", path, body)

    def patch(self, path, body, form=STRATEGIC):
        return self.call("PATCH", path, body, form)

    def delete(self, path, **options):
        return self.call("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})

    def follow(self, path, **query):
        """Give every object of a collection as it is, and again whenever it changes; ends when the server says so."""
        listed = self.get(f"{path}?{urllib.parse.urlencode(query)}")
        yield from (("ADDED", item) for item in listed["items"])
        query |= {"watch": "true", "timeoutSeconds": 300, "resourceVersion": listed["metadata"]["resourceVersion"]}
        with self.ask("GET", f"{path}?{urllib.parse.urlencode(query)}", limit_s=330) as answer:
            for line in answer:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield event["type"], event["object"]
