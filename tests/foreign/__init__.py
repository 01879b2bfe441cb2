"""Programs in other languages, with stock clients, that submit to a log and read it back."""
