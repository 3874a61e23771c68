#!/bin/sh
# Starts the unmodified awslambdaric as Lambda's managed Python runtime does. The only argument is where layers are (/opt).
# EXECUTION_ENV and FETCHED are filled in when the runtime is installed.
export AWS_EXECUTION_ENV="@EXECUTION_ENV@"
export PYTHONPATH="${PYTHONPATH:-$LAMBDA_RUNTIME_DIR}"

# A Python that was fetched looks for certificates where it was built. This machine has them in one of these places.
if [ "@FETCHED@" = yes ] && [ -z "$SSL_CERT_FILE$SSL_CERT_DIR" ]; then
    for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
        if [ -r "$bundle" ]; then
            export SSL_CERT_FILE="$bundle"
            break
        fi
    done
fi

lang="${LAMBDA_RUNTIME_DIR%/*}/lang"
layers="${1:-/opt}"
set -- "$lang/bin/python3" "$LAMBDA_RUNTIME_DIR/bootstrap.py" "$layers"
