"use strict";
{
  const place = document.getElementById("redoc");
  const font = '"Inter Variable", system-ui, sans-serif';
  Redoc.init(place.dataset.url, {
    disableSearch: false, hideDownloadButton: false, nativeScrollbars: true,
    theme: { colors: { primary: { main: "#1d5fc4" } }, typography: { fontFamily: font, headings: { fontFamily: font } } },
  }, place);
}
