#!/bin/sh
# Starts the unmodified awslambdaric as Lambda's managed Python runtime does. The only argument is where layers are (/opt).
# EXECUTION_ENV is filled in when the runtime is installed.
export AWS_EXECUTION_ENV="@EXECUTION_ENV@"
export PYTHONPATH="${PYTHONPATH:-$LAMBDA_RUNTIME_DIR}"

lang="${LAMBDA_RUNTIME_DIR%/*}/lang"
layers="${1:-/opt}"
set -- "$lang/bin/python3" "$LAMBDA_RUNTIME_DIR/bootstrap.py" "$layers"
