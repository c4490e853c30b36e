"""Login of the staff: django-allauth with our pages, words, limits and checks.

`urls` says which of allauth's pages there are, `adapters` what it does differently here, `proof`
what a session has proved. Who may open what is decided in `kvit.web.access`.
"""
