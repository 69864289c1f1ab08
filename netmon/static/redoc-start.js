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
  // api-theme.js has decided; the colours are those of netmon.css.
  const isDark = document.documentElement.classList.contains("dark-mode");
  const colors = isDark ? {
    tonalOffset: 0.3,
    primary: { main: "#6aa8ff" }, success: { main: "#3fcf9f" }, warning: { main: "#f3b64a" }, error: { main: "#ff8a6e" },
    gray: { 50: "#18212d", 100: "#253140" },
    text: { primary: "#e6edf5", secondary: "#adbaca" },
    border: { dark: "#394859", light: "#253140" },
    responses: {
      success: { color: "#3fcf9f", backgroundColor: "#0f2d26" }, error: { color: "#ff8a6e", backgroundColor: "#3a1a14" },
      redirect: { color: "#f3b64a", backgroundColor: "#33270f" }, info: { color: "#6aa8ff", backgroundColor: "#17293f" },
    },
  } : { primary: { main: "#1d5fc4" } };
  const dark = isDark ? {
    schema: { linesColor: "#394859", nestedBackground: "#141c26", typeNameColor: "#adbaca", typeTitleColor: "#6aa8ff", requireLabelColor: "#ff8a6e" },
    sidebar: { backgroundColor: "#141c26", textColor: "#e6edf5" },
    rightPanel: { backgroundColor: "#0f1620", textColor: "#e6edf5" },
    codeBlock: { backgroundColor: "#18212d" },
  } : {};
  const typography = {
    fontFamily: font, headings: { fontFamily: font },
    ...(isDark && { code: { color: "#ff8a6e", backgroundColor: "#18212d" }, links: { color: "#6aa8ff", visited: "#6aa8ff", hover: "#8bbcff" } }),
  };
  Redoc.init(place.dataset.url, { nativeScrollbars: true, theme: { colors, typography, ...dark } }, place);
}
