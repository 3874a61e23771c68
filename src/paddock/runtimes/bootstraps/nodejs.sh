#!/bin/sh
# Starts the unmodified aws-lambda-ric as Lambda's managed Node.js runtime does. The only argument is where layers are (/opt).
# EXECUTION_ENV, MAJOR and CLIENT are filled in when the runtime is installed.
export AWS_EXECUTION_ENV="@EXECUTION_ENV@"
layers="${1:-/opt}"
libraries="$layers/nodejs/node@MAJOR@/node_modules:$layers/nodejs/node_modules:$LAMBDA_RUNTIME_DIR/node_modules"
export NODE_PATH="${NODE_PATH:-$libraries:$LAMBDA_RUNTIME_DIR:$LAMBDA_TASK_ROOT}"

# A tenth of the function's memory is for young objects, in two halves; the rest is for old ones.
young_mb=$((AWS_LAMBDA_FUNCTION_MEMORY_SIZE / 10))
lang="${LAMBDA_RUNTIME_DIR%/*}/lang"
set -- "$lang/bin/node" --expose-gc --max-http-header-size 81920 \
    "--max-semi-space-size=$((young_mb / 2))" \
    "--max-old-space-size=$((AWS_LAMBDA_FUNCTION_MEMORY_SIZE - young_mb))" \
    --require "$LAMBDA_RUNTIME_DIR/last_words.cjs" \
    "$LAMBDA_RUNTIME_DIR/@CLIENT@"
