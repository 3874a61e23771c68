"""Networks of instances: namespaces, interfaces and rules on this machine."""
