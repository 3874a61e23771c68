#!/bin/sh
# The same as main.go where there is neither a compiler nor Python, but for telemetry: a shell cannot listen.
api="http://$AWS_LAMBDA_RUNTIME_API/2020-01-01/extension"
events='["INVOKE", "SHUTDOWN"]'
[ "$AWS_LAMBDA_INITIALIZATION_TYPE" != lambda-managed-instances ] || events='["SHUTDOWN"]'

said() { # of an event, by name
    printf '%s' "$event" | sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"
}

identifier=$(curl --silent --fail --dump-header - --output /dev/null --header "Lambda-Extension-Name: ${0##*/}" \
    --data "{\"events\": $events}" "$api/register" | sed -n 's/^Lambda-Extension-Identifier: *\([^[:space:]]*\).*/\1/Ip')
[ -n "$identifier" ] || exit 1
echo "watcher registered"
while event=$(curl --silent --fail --header "Lambda-Extension-Identifier: $identifier" "$api/event/next"); do
    echo "watcher heard $(said eventType) $(said requestId)$(said shutdownReason)"
    [ "$(said eventType)" != SHUTDOWN ] || exit 0
done
exit 1
