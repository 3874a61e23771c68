
# A customer may put a program of their own in front; it gets the command line as its arguments.
if [ -n "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
    if [ ! -f "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
        echo "$AWS_LAMBDA_EXEC_WRAPPER: does not exist"
        exit 127
    fi
    if [ ! -x "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
        echo "$AWS_LAMBDA_EXEC_WRAPPER: is not an executable"
        exit 126
    fi
    exec "$AWS_LAMBDA_EXEC_WRAPPER" "$@"
fi
exec "$@"
