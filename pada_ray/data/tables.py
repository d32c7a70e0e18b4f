"""Reads the rows of the files that people have: CSV, TSV, JSON, JSON lines, Parquet, Arrow, a folder of `datasets`."""

from __future__ import annotations

import importlib
import io
import json
import warnings
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import fsspec

from pada_ray.config.plain_file import what_instead
from pada_ray.data.layouts import Row
from pada_ray.errors import ConfigError, DataError, one_line
from pada_ray.storage import Folder

Rows = list[tuple[str, Row]]
"""(FILE:LINE or FILE: row NUMBER, row), in the order of the file."""


def read_rows(path: str) -> Rows:
    """The rows of a file, or of a folder that `datasets` saved.

    Args:
        path: local path or fsspec URL; what ends in .gz is unpacked. Texts are UTF-8. Cells of CSV and TSV stay texts.

    Raises:
        DataError: no such file, another format, or a row that cannot be read, with its place.
        ConfigError: a folder of `datasets`, and that package is not installed.
    """
    kind = _kind(path)
    if (other := what_instead(path)) not in (None, "a folder"):
        raise DataError(f"{path}: cannot be read: this is {other}; give a file of {', '.join(sorted(_READERS))}")
    if kind not in _READERS:
        if "://" not in path and Folder(path).exists("state.json"):
            return _numbered(path, _saved_dataset(path))
        raise DataError(f"{path}: {_unknown(path)}; give a file of {', '.join(sorted(_READERS))}")
    try:
        with fsspec.open(path, "rb", compression="infer") as file:
            data = file.read()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the path in the config") from None
    except Exception as e:  # each fsspec file system has its own errors
        raise DataError(f"{path}: cannot be read ({type(e).__name__}: {one_line(e)})") from None
    try:
        rows = _READERS[kind](path, data)
    except DataError:
        raise
    except UnicodeDecodeError as e:
        raise DataError(f"{path}: not UTF-8 ({e.reason} at byte {e.start}); save it as UTF-8") from None
    except Exception as e:  # pandas and pyarrow have errors of many kinds
        raise DataError(f"{path}: not readable as {kind[1:]} ({type(e).__name__}: {one_line(e)}); mend it") from None
    if not rows:
        raise DataError(f"{path}: no rows in it")
    if not any(row for _, row in rows):
        raise DataError(f"{path}: no columns in it; give each row a question and an answer")
    return rows


def _kind(path: str) -> str:
    return PurePosixPath(path.removesuffix(".gz").lower()).suffix


def _unknown(path: str) -> str:
    if "://" not in path and Folder(path).exists("dataset_dict.json"):
        return "holds several splits; name the folder of one"
    return "this is a folder" if what_instead(path) else "no known kind of file"


def _numbered(path: str, rows: list[dict[str, Any]]) -> Rows:
    return [(f"{path}: row {number}", row) for number, row in enumerate(rows, start=1)]


def _delimited(path: str, data: bytes) -> Rows:
    import pandas

    head = data.decode("utf-8-sig").lstrip().partition("\n")[0]
    separator = "\t" if _kind(path) == ".tsv" else max(",;\t", key=head.count)
    # As texts: a label `007` or `NA` is what it is. `object`, since with `str` pandas 3 counts as a cell what is empty
    # behind the last separator of each row.
    texts = {"dtype": object, "keep_default_na": False, "encoding": "utf-8-sig"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)  # of cells that it drops
            table = pandas.read_csv(io.BytesIO(data), sep=separator, index_col=False, **texts)
    except pandas.errors.ParserWarning:
        told = f"rows have more cells than the header; put each cell that holds {separator!r} in quotes"
        raise DataError(f"{path}: {told}") from None
    rows = _numbered(path, table.rename(columns=str.strip).to_dict("records"))
    _check_quotes(rows, data.decode("utf-8-sig"), separator)
    return rows


def _check_quotes(rows: Rows, text: str, separator: str) -> None:
    """Raises DataError where a quotation mark that begins a cell and does not close it has made one cell of rows."""
    position = 0
    for where, row in rows:
        for cell in row.values():
            if isinstance(cell, str) and "\n" in cell and separator in cell:
                quoted = '"' + cell.replace('"', '""') + '"'  # as it stands in the text if its quotes close
                found = text.find(quoted, position)
                if found < 0:
                    told = "a quotation mark opens a cell and does not close it"
                    raise DataError(f"{where}: {told}; put the cell in quotes, and write each mark in it twice")
                position = found + len(quoted)


def _json(path: str, data: bytes) -> Rows:
    """The objects of one array, or of every line that is not blank."""
    text = data.decode("utf-8-sig")
    if text.lstrip().startswith("["):
        return [(where, _object(where, row)) for where, row in _numbered(path, json.loads(text))]
    lines = [(f"{path}:{number}", line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return [(where, _object(where, _parsed(where, line))) for where, line in lines]


def _parsed(where: str, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as e:
        raise DataError(f"{where}: not JSON ({e}); write one JSON object on each line, or one array of them") from None


def _object(where: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"{where}: not a JSON object; write one JSON object on each line, or one array of them")
    return value


def _parquet(path: str, data: bytes) -> Rows:
    return _numbered(path, importlib.import_module("pyarrow.parquet").read_table(io.BytesIO(data)).to_pylist())


def _arrow(path: str, data: bytes) -> Rows:
    """The file format (also called Feather) or the stream format, which `datasets` writes."""
    ipc = importlib.import_module("pyarrow").ipc
    opened = ipc.open_file if data.startswith(b"ARROW1") else ipc.open_stream
    return _numbered(path, opened(io.BytesIO(data)).read_all().to_pylist())


def _saved_dataset(path: str) -> list[dict[str, Any]]:
    try:
        datasets = importlib.import_module("datasets")
    except ImportError:
        raise ConfigError(
            f"{path}: a folder of the package datasets, which is not installed; pip install 'pada-ray[datasets]'"
        ) from None
    rows: list[dict[str, Any]] = datasets.load_from_disk(path).to_list()
    return rows


_READERS: dict[str, Callable[[str, bytes], Rows]] = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".json": _json,
    ".jsonl": _json,
    ".ndjson": _json,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
}
