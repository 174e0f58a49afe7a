"""Give the site whatever its pages link to outside of docs/, at the same place below the site as in the repository.

A link such as `../configs/photos.py` works in the repository as it is. On the site, where docs/ is the root, it becomes
`configs/photos.py`; Markdown becomes a page, a folder its README.md, all else a file to look at.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r'(?<=\]\()(?!\w+:|#)([^)#\s]+)')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that are linked to, and those that they link to."""
    pages = [Path(page.abs_src_path) for page in files.documentation_pages()]
    while pages:
        page = pages.pop()
        for link in LINK.findall(page.read_text(encoding='utf-8')):
            path = _readme(page.parent / link)
            uri = path.relative_to(ROOT).as_posix()
            if uri.startswith('docs/') or not path.is_file() or files.get_file_from_path(uri):
                continue
            files.append(File.generated(config, uri, abs_src_path=str(path)))
            if path.suffix == '.md':
                pages.append(path)
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Turn the repository's addresses into the site's."""
    own = Path(page.file.src_uri).parent
    source = Path(page.file.abs_src_path).parent

    def rewrite(link: re.Match[str]) -> str:
        uri = _readme(source / link[0]).relative_to(ROOT).as_posix().removeprefix('docs/')
        return '../' * len(own.parts) + uri

    return LINK.sub(rewrite, markdown)


def _readme(path: Path) -> Path:
    path = path.resolve()
    return path / 'README.md' if path.is_dir() else path
