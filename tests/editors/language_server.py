"""A client of yaml-language-server over standard input and output: what an editor says, and what it is told.

The server runs as in an editor: documents are opened and changed, completion and hover are asked for at positions, and
problems arrive by themselves. Lines and columns count from 0, as in the protocol.
"""

import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / ".tools" / "node" / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
PATIENCE_S = 60
"""How long an answer may take before the server counts as dead."""

SETTINGS = {
    "yaml": {
        "validate": True,
        "completion": True,
        "hover": True,
        "yamlVersion": "1.2",
        "schemaStore": {"enable": False},
        "format": {"enable": False},
        "disableDefaultProperties": True,
        "suggest": {"parentSkeletonSelectedFirst": False},
    },
    "[yaml]": {"editor.tabSize": 2},
    "http": {},
}


class ServerError(Exception):
    """The server answered with an error, or not at all."""


class LanguageServer:
    """One server process; used as a context, which ends it."""

    def __init__(self, folder: Path) -> None:
        """Start the server in a workspace folder and agree on capabilities."""
        self._process = subprocess.Popen(
            ["node", str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._problems: queue.Queue[dict[str, Any]] = queue.Queue()
        self._lock = threading.Lock()
        self._asked = 0
        self._versions: dict[str, int] = {}
        threading.Thread(target=self._listen, daemon=True).start()
        completion = {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}}
        capabilities = {
            "textDocument": {"completion": completion, "hover": {"contentFormat": ["markdown"]}},
            "workspace": {"configuration": True},
        }
        uri = folder.resolve().as_uri()
        opening = {"processId": None, "rootUri": uri, "capabilities": capabilities}
        self.request("initialize", {**opening, "workspaceFolders": [{"uri": uri, "name": "study"}]})
        self.notify("initialized", {})
        self.notify("workspace/didChangeConfiguration", {"settings": SETTINGS})

    def __enter__(self) -> "LanguageServer":
        """Give the running server."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ask the server to end, and make sure that it does."""
        try:
            self.request("shutdown", None)
            self.notify("exit", None)
            self._process.wait(PATIENCE_S)
        except (ServerError, OSError, subprocess.TimeoutExpired):
            self._process.kill()

    # -- documents --

    def show(self, path: Path, text: str) -> None:
        """Open a document, or change it to another text."""
        uri = path.resolve().as_uri()
        version = self._versions.get(uri, 0) + 1
        self._versions[uri] = version
        if version == 1:
            document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
            self.notify("textDocument/didOpen", {"textDocument": document})
        else:
            changed = {"textDocument": {"uri": uri, "version": version}, "contentChanges": [{"text": text}]}
            self.notify("textDocument/didChange", changed)

    def problems(self, path: Path, text: str) -> list[dict[str, Any]]:
        """Show a text and give what the server finds wrong with it."""
        uri = path.resolve().as_uri()
        with self._problems.mutex:
            self._problems.queue.clear()
        self.show(path, text)
        while True:
            try:
                told = self._problems.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise ServerError(f"no diagnostics of {path.name} after {PATIENCE_S} s") from None
            if told["uri"] == uri and told.get("version", self._versions[uri]) == self._versions[uri]:
                return list(told["diagnostics"])

    def offers(self, path: Path, text: str, line: int, column: int) -> list[dict[str, Any]]:
        """Show a text and give the completions that are offered at a position."""
        self.show(path, text)
        found = self.request("textDocument/completion", _at(path, line, column))
        return list(found["items"] if isinstance(found, dict) else found or [])

    def hover(self, path: Path, text: str, line: int, column: int) -> str:
        """Show a text and give what appears when the mouse rests at a position; empty for nothing."""
        self.show(path, text)
        found = self.request("textDocument/hover", _at(path, line, column))
        return "" if not found else str(found["contents"]["value"])

    def changed(self, path: Path) -> None:
        """Tell the server that a file was written, as editors do of every YAML and JSON file of the workspace."""
        self.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": path.resolve().as_uri(), "type": 2}]})

    # -- protocol --

    def request(self, method: str, parameters: Any) -> Any:
        """Ask the server and wait for its answer.

        Raises:
            ServerError: it answers with an error, or not in time.
        """
        with self._lock:
            self._asked += 1
            number = self._asked
            self._answers[number] = queue.Queue()
        self._send({"id": number, "method": method, "params": parameters})
        try:
            answer = self._answers[number].get(timeout=PATIENCE_S)
        except queue.Empty:
            raise ServerError(f"no answer to {method} after {PATIENCE_S} s") from None
        finally:
            del self._answers[number]
        if "error" in answer:
            raise ServerError(f"{method}: {answer['error'].get('message')}")
        return answer.get("result")

    def notify(self, method: str, parameters: Any) -> None:
        """Tell the server something that has no answer."""
        self._send({"method": method, "params": parameters})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            self._process.stdin.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while True:
            length = 0
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            if not length:
                return
            self._receive(json.loads(stream.read(length)))

    def _receive(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            waiting = self._answers.get(message["id"])
            if waiting is not None:
                waiting.put(message)
        elif message["method"] == "textDocument/publishDiagnostics":
            self._problems.put(message["params"])
        elif "id" in message:
            self._send({"id": message["id"], "result": _answer(message)})


def _answer(message: dict[str, Any]) -> Any:
    """Answer what the server asks: its settings, and yes to everything else."""
    if message["method"] != "workspace/configuration":
        return None
    return [SETTINGS.get(item.get("section", ""), {}) for item in message["params"]["items"]]


def _at(path: Path, line: int, column: int) -> dict[str, Any]:
    return {"textDocument": {"uri": path.resolve().as_uri()}, "position": {"line": line, "character": column}}
