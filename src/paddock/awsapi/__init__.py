"""The AWS wire, driven by botocore's service models: parse, validate, serialise, errors, signatures."""
