"""What computes a model here: torch, ONNX Runtime, OpenVINO."""
