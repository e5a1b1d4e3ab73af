"""As much of the Hugging Face Hub as pushing and fetching a generator asks for, on this machine."""
import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Files = dict[str, bytes]
TOKEN = "hf_of_ann"  # of the user ann, which may write below ann/ alone
LARGE = ".safetensors"  # goes by LFS


@dataclass
class Repo:
    """gated: whoever reads it has to consent first; commits: by their hash, the newest last."""

    private: bool = False
    gated: bool = False
    commits: dict[str, Files] = field(default_factory=dict)

    def commit(self, files: Files) -> str:
        sha = hashlib.sha1(repr((len(self.commits), sorted(files.items()))).encode()).hexdigest()
        self.commits[sha] = files
        return sha

    @property
    def newest(self) -> str:
        return next(reversed(self.commits))

    @property
    def files(self) -> Files:
        return self.commits[self.newest]


@dataclass
class Hub:
    """repos: by name; asked: the requests so far, as 'GET /path'; answer: an HTTP code for everything, 0 for none;
    licenses: those it takes."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    answer: int = 0
    licenses: tuple[str, ...] = ("unknown", "cc-by-4.0")

    def add(self, name: str, files: Files) -> Repo:
        repo = self.repos[name] = Repo()
        repo.commit({})
        repo.commit(files)
        return repo


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A Hub that answers while the context is open."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Refused(Exception):
    def __init__(self, code: int, error: str = "", body: Any = None):
        self.code, self.error, self.body = code, error, body or {"error": error or "no"}


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.hub.asked.append(f"{self.command} {path}")
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        body = self._chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if self.hub.answer:
                raise _Refused(self.hub.answer)
            headers, content = self._answer(path, body)
            self._send(200, headers, content)
        except _Refused as refused:
            self._send(refused.code, {"X-Error-Code": refused.error} if refused.error else {}, _json(refused.body))

    do_HEAD = do_POST = do_PUT = do_GET

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, code: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _answer(self, path: str, body: bytes) -> tuple[dict[str, str], bytes]:
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._file(*found.groups())
        if found := re.fullmatch(r"/lfs/(\w+)", path):
            if hashlib.sha256(body).hexdigest() != found[1]:
                raise _Refused(400)
            self.hub.large[found[1]] = body
            return {}, b""
        asked = body if path.endswith("/commit/main") or not body else json.loads(body)  # a commit has many lines
        return {"Content-Type": "application/json"}, _json(self._api(path, asked))

    def _file(self, name: str, revision: str, path: str) -> tuple[dict[str, str], bytes]:
        sha, files = self._commit(name, revision)
        if path not in files:
            raise _Refused(404, "EntryNotFound")
        return {"X-Repo-Commit": sha, "ETag": f'"{hashlib.sha256(files[path]).hexdigest()}"'}, files[path]

    def _repo(self, name: str) -> Repo:
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self._known):
            raise _Refused(404 if self._known else 401, "RepoNotFound")
        return repo

    def _commit(self, name: str, revision: str) -> tuple[str, Files]:
        repo = self._repo(name)
        sha = repo.newest if revision == "main" else revision
        if sha not in repo.commits:
            raise _Refused(404, "RevisionNotFound")
        if repo.gated:
            raise _Refused(403, "GatedRepo")
        return sha, repo.commits[sha]

    @property
    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _api(self, path: str, body: Any) -> Any:
        if path == "/api/whoami-v2":
            if not self._known:
                raise _Refused(401)
            return {"type": "user", "name": "ann", "auth": {"accessToken": {"role": "write"}}}
        if path == "/api/validate-yaml":
            license = re.search(r'^license: "(.*)"$', body["content"], re.MULTILINE)[1]
            if license not in self.hub.licenses:
                raise _Refused(400, body={"errors": [{"message": '"license" must be one of [...]'}], "warnings": []})
            return {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            return self._create(f"{body['organization']}/{body['name']}", body.get("visibility") == "private")
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)", path):
            repo = self._repo(found[1])
            return {"id": found[1], "sha": repo.newest, "private": repo.private, "siblings": [
                {"rfilename": file} for file in repo.files]}
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/main", path):
            return [{"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for file, content in self._repo(found[1]).files.items()]
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            return {"files": [{"path": file["path"], "shouldIgnore": False, "uploadMode": "lfs" if
                               file["path"].endswith(LARGE) else "regular"} for file in body["files"]]}
        if path.endswith(".git/info/lfs/objects/batch"):
            return {"transfer": "basic", "objects": [{**one, "actions": {"upload": {
                "href": f"{self.hub.url}/lfs/{one['oid']}"}}} for one in body["objects"]]}
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            return self._take_commit(self._repo(found[1]), found[1], [json.loads(line) for line in body.splitlines()])
        raise _Refused(404)

    def _create(self, name: str, private: bool) -> dict[str, str]:
        if name.partition("/")[0] != "ann" or not self._known:
            raise _Refused(403)
        if name in self.hub.repos:
            raise _Refused(409, body={"error": "it is there already", "url": f"{self.hub.url}/{name}"})
        self.hub.repos[name] = Repo(private)
        self.hub.repos[name].commit({".gitattributes": b""})
        return {"url": f"{self.hub.url}/{name}"}

    def _take_commit(self, repo: Repo, name: str, lines: list[dict[str, Any]]) -> dict[str, str]:
        files = dict(repo.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        return {"commitUrl": f"{self.hub.url}/{name}/commit/main", "commitOid": repo.commit(files)}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
