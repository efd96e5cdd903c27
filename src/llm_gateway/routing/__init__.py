"""In which order a request's candidates are asked, and when none of them is."""
