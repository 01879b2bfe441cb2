"""The public report: counts from the views, small ones withheld, as static pages and data files."""
