"""Says yes to every job, so that Nextflow goes on and its objects can be looked at; it proves nothing about a server.

What a real API server says to the same objects is tested in `tests/kubernetes/`.
"""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from engines import call, environment


class Accepting(ThreadingHTTPServer):
    """Runs each job's command when it is posted; the first one of a step named in `out_of_memory` ends with 137."""

    def __init__(self, folder, out_of_memory=()):
        super().__init__(("127.0.0.1", 0), Answers)
        self.environment, self.out_of_memory, self.jobs = environment(folder / ".home"), set(out_of_memory), []
        self.config = folder / "accepting.config"
        address = f"k8s.client.server = 'http://127.0.0.1:{self.server_port}'\nk8s.client.token = 'none'\n"
        self.config.write_text(f"{address}k8s.debug.yaml = true\nexecutor.pollInterval = '200ms'\n")

    def run(self, job):
        self.jobs.append(job)
        words = job["spec"]["template"]["spec"]["containers"][0]["args"]
        step = job["metadata"]["labels"]["nextflow.io/processName"]
        if lost := next((name for name in self.out_of_memory if name in step), None):
            self.out_of_memory.discard(lost)
            Path(words[-1]).with_name(".exitcode").write_text("137")
        else:
            subprocess.run(words, env=self.environment, capture_output=True, check=False)


class Answers(BaseHTTPRequestHandler):
    """A job is over as soon as it is made, and its pod is gone."""

    def do_POST(self):
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.run(job)
        self.say(job)

    def do_GET(self):
        ended = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
        times = {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:01Z"}
        self.say({"items": []} if "/pods" in self.path else {"status": ended | times})

    def do_DELETE(self):
        self.say({})

    def say(self, answer):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_):
        """Keep quiet."""


def posted(engine, build, folder, out_of_memory=()):
    """Run every step of a project without training, for Kubernetes; give the jobs, and what Nextflow said."""
    server = Accepting(folder, out_of_memory)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    words = ["-c", server.config, "run", build, "-profile", "k8s", "-stub-run", "--outdir", folder / "out"]
    try:
        said = call([engine, *words], folder, TLIMB_NEXTFLOW_SET="b")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    return server.jobs, said
