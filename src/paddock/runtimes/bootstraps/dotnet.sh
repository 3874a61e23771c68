#!/bin/sh
# Starts a .NET function as Lambda's managed runtime does: an executable assembly by itself, a class library through AWS's
# runtime support. The only argument is where layers are (/opt). EXECUTION_ENV and RUNTIME_SUPPORT are filled in when the
# runtime is installed.
export AWS_EXECUTION_ENV="@EXECUTION_ENV@"
export LAMBDA_RUNTIME_NAME="${AWS_EXECUTION_ENV#AWS_Lambda_}"
export DOTNET_ROOT="${LAMBDA_RUNTIME_DIR%/*}/lang/bin"
layers="${1:-/opt}"
support="$LAMBDA_RUNTIME_DIR/@RUNTIME_SUPPORT@"

refuse() { # with the status that AWS's bootstrap has for it
    echo "Error: $2" >&2
    exit "$1"
}

only_file() { # of the function's that ends so
    set -- "$LAMBDA_TASK_ROOT"/*"$1"
    [ $# -eq 1 ] && [ -f "$1" ] && echo "$1"
}

[ -n "$LAMBDA_TASK_ROOT" ] || refuse 101 "LAMBDA_TASK_ROOT is not set"
[ -n "$(ls -A "$LAMBDA_TASK_ROOT" 2>/dev/null)" ] || refuse 102 "there is no code in $LAMBDA_TASK_ROOT"
[ -n "$_HANDLER" ] || refuse 103 "the function has no handler"

case $_HANDLER in
*:*)
    name="${LAMBDA_DOTNET_MAIN_ASSEMBLY:-${_HANDLER%%:*}}"
    name="$LAMBDA_TASK_ROOT/${name%.dll}"
    dependencies="$name.deps.json"
    [ -f "$dependencies" ] || dependencies=$(only_file .deps.json) || refuse 105 "$dependencies was not found"
    configuration="$name.runtimeconfig.json"
    [ -f "$configuration" ] || configuration=$(only_file .runtimeconfig.json) || refuse 106 "$configuration was not found"
    [ -f "$support" ] || refuse 1 "a class library needs AWS's runtime support: dotnet tool install -g Amazon.Lambda.TestTool"
    set -- "$DOTNET_ROOT/dotnet" exec --depsfile "$dependencies" --runtimeconfig "$configuration" "$support" "$_HANDLER"
    ;;
*)
    program="$LAMBDA_TASK_ROOT/${_HANDLER%.dll}.dll"
    [ -f "$program" ] || refuse 104 "the executable assembly $program was not found"
    set -- "$DOTNET_ROOT/dotnet" exec "$program"
    ;;
esac
