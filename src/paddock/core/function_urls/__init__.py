"""Function URLs: from an HTTP request to an event, from what a function answered to an HTTP answer."""
