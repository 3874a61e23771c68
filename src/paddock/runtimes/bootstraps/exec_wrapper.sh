
# A customer may put a program of their own in front; it gets the command line as its arguments. AWS's names of the two
# directories are understood where they lie elsewhere.
if [ -n "$AWS_LAMBDA_EXEC_WRAPPER" ]; then
    wrapper="$AWS_LAMBDA_EXEC_WRAPPER"
    case $wrapper in
    /opt/*) wrapper="$layers${wrapper#/opt}" ;;
    /var/task/*) wrapper="$LAMBDA_TASK_ROOT${wrapper#/var/task}" ;;
    esac
    if [ ! -f "$wrapper" ]; then
        echo "$AWS_LAMBDA_EXEC_WRAPPER: does not exist"
        exit 127
    fi
    if [ ! -x "$wrapper" ]; then
        echo "$AWS_LAMBDA_EXEC_WRAPPER: is not an executable"
        exit 126
    fi
    exec "$wrapper" "$@"
fi
exec "$@"
