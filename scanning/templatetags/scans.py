"""What the templates of scans share."""

from django import template

from scanning import pages

register = template.Library()
register.filter("certificate", pages.certificate_words)
