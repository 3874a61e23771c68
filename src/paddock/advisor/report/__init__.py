"""One self-contained HTML page of the advice: no script, no font, no picture from elsewhere."""
