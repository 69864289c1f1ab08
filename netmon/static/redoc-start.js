"use strict";
{
  // ReDoc asks a CDN for its maker's logo; nothing may leave this site, not even an attempt.
  HTMLImageElement.prototype.setAttribute = function (name, value) {
    if (name !== "src" || new URL(value, location.href).origin === location.origin || value.startsWith("data:")) {
      Element.prototype.setAttribute.call(this, name, value);
    }
  };
  const place = document.getElementById("redoc");
  const font = '"Inter Variable", system-ui, sans-serif';
  Redoc.init(place.dataset.url, {
    disableSearch: false, hideDownloadButton: false, nativeScrollbars: true,
    theme: { colors: { primary: { main: "#1d5fc4" } }, typography: { fontFamily: font, headings: { fontFamily: font } } },
  }, place);
}
