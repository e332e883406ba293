"""How much of a map lies on a mark whose place is known.

    python bench/planted_mark.py build/sepia TOY_DATA WORK_FOLDER        (needs numpy and pillow; TOY_DATA by `sepia data toy`)

Takes the real toy faces, shrinks them to 128x128, and plants a chequered mark of 16x16 near the upper right corner of half of them (within 16 pixels both ways): those
are the fakes. Trains edgenet and simplenet to tell them apart, explains the fakes of the test split for "fake" by every method, and prints the
share of the map (of its magnitude) that lies on the mark, widened by 8 pixels on each side, beside the share of the area that this is.
"""

import json
import pathlib
import random
import subprocess
import sys

import numpy as np
from PIL import Image

SIDE, MARK, WIDER = 128, 16, 8
METHODS = ("saliency", "smoothgrad", "ig", "guided", "gradcam", "gradcam++", "hirescam", "layercam", "eigencam")
TRAINING = {"edgenet": ["--epochs", "24", "--select", "val_auc"], "simplenet": ["--epochs", "8", "--select", "val_auc"]}


def plant(toy, data):
    chance = random.Random(7)
    places = {}
    for split in ("train", "val", "test"):
        for label in ("real", "fake"):
            (data / split / label).mkdir(parents=True)
        for number, path in enumerate(sorted((toy / split / "real").glob("*.png"))):
            pixels = np.array(Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.BILINEAR))
            label = "fake" if number % 2 else "real"
            if label == "fake":
                x, y = SIDE - 2 * MARK - chance.randrange(16), MARK // 2 + chance.randrange(16)
                chequer = (np.indices((MARK, MARK)) // 2).sum(0) % 2
                part = pixels[y:y + MARK, x:x + MARK].astype(int)
                pixels[y:y + MARK, x:x + MARK] = np.clip(part + np.where(chequer, 90, -90)[..., None], 0, 255)
                places[f"{split}/{path.stem}"] = (x, y)
            Image.fromarray(pixels).save(data / split / label / path.name)
    return places


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def share_on_mark(array, place):
    x, y = place
    inside = np.zeros(array.shape, bool)
    inside[max(0, y - WIDER):y + MARK + WIDER, max(0, x - WIDER):x + MARK + WIDER] = True
    size = np.abs(array.astype(float))
    return (size[inside].sum() / size.sum() if size.sum() > 0 else np.nan), inside.mean()


def main():
    sepia, toy, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    data = work / "data"
    places = plant(toy, data)
    print("| network (test accuracy) | area | " + " | ".join(METHODS) + " |\n|" + "---|" * (len(METHODS) + 2))
    for network, settings in TRAINING.items():
        run(sepia, "train", network, "--data", data, "--out", work / network, "--image-size", SIDE, *settings)
        accuracy = json.loads(run(sepia, "eval", work / network, "--data", data, "--json"))["accuracy"]
        cells = []
        for method in METHODS:
            out = work / f"{network}.{method}"
            maps = json.loads(run(sepia, "explain", data / "test" / "fake", "-m", work / network, "--method", method, "--out", out, "--json"))["maps"]
            shares = [share_on_mark(np.load(out / m["npy"]), places[f"test/{pathlib.Path(m['path']).stem}"]) for m in maps]
            empty = sum(m["empty"] for m in maps)
            cells.append(f"{np.nanmean([s for s, _ in shares]):.2f}" + (f" ({empty} empty)" if empty else ""))
            area = np.mean([a for _, a in shares])
        print(f"| {network} ({accuracy:.3f}) | {area:.3f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
