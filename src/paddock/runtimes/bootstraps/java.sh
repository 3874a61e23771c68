#!/bin/sh
# Starts the unmodified aws-lambda-java-runtime-interface-client as Lambda's managed Java runtime does. The only argument is
# where layers are (/opt). EXECUTION_ENV, CLASS_PATH and VERSION_OPTIONS are filled in when the runtime is installed.
export AWS_EXECUTION_ENV="@EXECUTION_ENV@"
lang="${LAMBDA_RUNTIME_DIR%/*}/lang"
lib="$LAMBDA_RUNTIME_DIR/lib"

# Where the client was when its classes were archived. It looks for layers in /opt; those that are elsewhere come after it.
class_path="@CLASS_PATH@"
layers="${1:-/opt}"
if [ "$layers" != /opt ] && [ -d "$layers/java/lib" ]; then
    class_path="$class_path:$layers/java/lib/*"
fi

# Beside the heap, classes get a tenth of the function's memory, at most 160 MiB, and their compiled code half as much.
memory_kb=$((AWS_LAMBDA_FUNCTION_MEMORY_SIZE * 1024))
beside_kb=$((memory_kb * 15 / 100))
[ "$beside_kb" -le 245760 ] || beside_kb=245760

# The encodings are those of Lambda's locale, which this machine may not have.
set -- "$lang/bin/java" "-XX:MaxHeapSize=$((memory_kb - beside_kb))k" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Xshare:auto "-XX:SharedArchiveFile=$lib/runtime.jsa" -Xlog:cds=off @VERSION_OPTIONS@ -Djava.net.preferIPv4Stack=true \
    -Dfile.encoding=UTF-8 -Dstdout.encoding=UTF-8 -Dsun.stdout.encoding=UTF-8 \
    "-Dcom.amazonaws.services.lambda.runtime.api.client.runtimeapi.NativeClient.JNI=$lib/libaws-lambda-jni.so" \
    -classpath "$class_path" com.amazonaws.services.lambda.runtime.api.client.AWSLambda "$_HANDLER"
