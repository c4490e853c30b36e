"""Overview: what needs me now."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from kvit.web.routes import page


@page("", name="overview", right="invoices.read")
def overview(request: HttpRequest) -> HttpResponse:
    return render(request, "office/overview/page.html")
