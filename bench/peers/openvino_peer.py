"""OpenVINO's inference of the twins in fp32 or bf16: latency mode (one stream), shapes fixed.

    python bench/peers/openvino_peer.py edgenet bf16 --twins FOLDER --threads 2       (driven by compare.py; see serving.py)
"""

import argparse
import pathlib

import numpy as np
import openvino

import serving


class Peer:
    def __init__(self, args):
        self.args = args
        self.core = openvino.Core()

    def prepare(self, what, batch):
        if what != "infer":
            raise SystemExit("error: OpenVINO is timed for inference only")
        model = self.core.read_model(str(pathlib.Path(self.args.twins) / f"{self.args.model}.onnx"))
        stored = serving.reference(self.args.twins, self.args.model)
        x = np.ascontiguousarray(stored["x"][:batch])
        model.reshape(list(x.shape))
        precision = "f32" if self.args.precision == "fp32" else "bf16"
        compiled = self.core.compile_model(model, "CPU", {
            "INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": self.args.threads})
        in_use = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if in_use != precision:
            raise SystemExit(f"error: OpenVINO computes in {in_use} on this processor, not in {precision}")
        request = compiled.create_infer_request()

        def step():
            return request.infer({0: x}, share_inputs=True, share_outputs=True)[0]

        return step, lambda: serving.difference(step(), stored["logits"][:batch])


def main():
    parser = argparse.ArgumentParser(description="Time OpenVINO's inference; see the head of this file.")
    parser.add_argument("model")
    parser.add_argument("precision", choices=("fp32", "bf16"))
    parser.add_argument("--twins", required=True, help="the folder that twins.py wrote")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    serving.serve("OpenVINO " + openvino.__version__.split("-")[0], Peer(args).prepare)


if __name__ == "__main__":
    main()
