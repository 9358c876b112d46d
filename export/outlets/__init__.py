"""The network in other people's formats: ONNX, standard NIR, netx."""
