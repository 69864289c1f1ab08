"use strict";
{
  // ReDoc asks a CDN for its maker's logo; nothing may leave this site, not even an attempt that the policy refuses.
  const isOurs = (value) => ["data:", "blob:"].includes(new URL(value, location.href).protocol) || new URL(value, location.href).origin === location.origin;
  const image = HTMLImageElement.prototype;
  const source = Object.getOwnPropertyDescriptor(image, "src");
  Object.defineProperty(image, "src", { ...source, set(value) { if (isOurs(value)) source.set.call(this, value); } });
  image.setAttribute = function (name, value) {
    if (name !== "src" || isOurs(value)) Element.prototype.setAttribute.call(this, name, value);
  };

  const place = document.getElementById("redoc");
  const font = '"Inter Variable", system-ui, sans-serif';
  Redoc.init(place.dataset.url, {
    nativeScrollbars: true,
    theme: { colors: { primary: { main: "#1d5fc4" } }, typography: { fontFamily: font, headings: { fontFamily: font } } },
  }, place);
}
