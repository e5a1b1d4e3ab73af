"""Links from the docs to files of the project outside of docs/: in the site each such file is a page of its own.

A hook of mkdocs. On a code host the links work as they stand; here README.md becomes project/README.md, a source file a
page that shows it, and anything else is copied. A link to nothing is left alone, and ends the strict build.
"""
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
ALWAYS = ("README.md", "benchmarks/README.md")  # in the navigation of mkdocs.yml
LINK = re.compile(r"(?<=\]\()([^)#:\s]+)")
CODE = {".py": "python", ".txt": "text", ".cfg": "ini", ".toml": "toml", ".yml": "yaml", ".sh": "bash", "": "text"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files that the pages link to, and those that these link to."""
    waiting = [*(ROOT / name for name in ALWAYS), *(DOCS / page.src_uri for page in files.documentation_pages())]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        uri = site_uri(path)
        if files.get_file_from_path(uri) is None:
            files.append(_file(path, uri, config))
        for target in _targets(path) if path.suffix == ".md" else ():
            if target not in seen and not target.is_relative_to(DOCS):
                seen.add(target)
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with links as they are to be in the site."""
    uri = page.file.src_uri
    if not uri.endswith(".md"):
        return markdown
    source = ROOT / uri.removeprefix("project/") if uri.startswith("project/") else DOCS / uri

    def in_site(link: re.Match[str]) -> str:
        target = _resolved(source, link[0])
        return posixpath.relpath(site_uri(target), posixpath.dirname(uri) or ".") if target else link[0]
    return LINK.sub(in_site, markdown) if source.suffix == ".md" else markdown


def site_uri(path: Path) -> str:
    """Where a file of the project lies among the sources of the site."""
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    uri = f"project/{path.relative_to(ROOT).as_posix()}"
    return f"{uri}.md" if path.suffix in CODE else uri


def _file(path: Path, uri: str, config: MkDocsConfig) -> File:
    if path.suffix in CODE:
        shown = f"# {path.relative_to(ROOT).as_posix()}\n\n``````{CODE[path.suffix]}\n{path.read_text()}``````\n"
        return File.generated(config, uri, content=shown, inclusion=InclusionLevel.NOT_IN_NAV)
    return File.generated(config, uri, abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV
                          if path.relative_to(ROOT).as_posix() not in ALWAYS else InclusionLevel.INCLUDED)


def _targets(page: Path) -> Iterator[Path]:
    for link in LINK.findall(page.read_text()):
        target = _resolved(page, link)
        if target:
            yield target


def _resolved(page: Path, link: str) -> Path | None:
    """The file of the project that a link of a page means, if there is one."""
    target = (page.parent / link).resolve()
    return target if target.is_file() and target.is_relative_to(ROOT) else None
