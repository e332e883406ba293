"""ONNX Runtime's inference of the twins, fp32: all graph optimisations, shapes fixed, one session per number of pictures.

    python bench/peers/onnxruntime_peer.py edgenet --twins FOLDER --threads 2       (driven by compare.py; see serving.py)

There is no bf16: its CPU kernels compute in fp32 (the one option for bf16 products, mlas.enable_gemm_fastmath_arm64_bfloat16, is for Arm).
"""

import argparse
import pathlib

import numpy as np
import onnxruntime

import serving


class Peer:
    def __init__(self, args):
        self.args = args

    def prepare(self, what, batch):
        if what != "infer":
            raise SystemExit("error: ONNX Runtime is timed for inference only")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.args.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_free_dimension_override_by_name("n", batch)
        model = str(pathlib.Path(self.args.twins) / f"{self.args.model}.onnx")
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        stored = serving.reference(self.args.twins, self.args.model)
        x = np.ascontiguousarray(stored["x"][:batch])

        def step():
            return session.run(None, {"x": x})[0]

        return step, lambda: serving.difference(step(), stored["logits"][:batch])


def main():
    parser = argparse.ArgumentParser(description="Time ONNX Runtime's inference; see the head of this file.")
    parser.add_argument("model")
    parser.add_argument("--twins", required=True, help="the folder that twins.py wrote")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    serving.serve("ONNX Runtime " + onnxruntime.__version__, Peer(args).prepare)


if __name__ == "__main__":
    main()
