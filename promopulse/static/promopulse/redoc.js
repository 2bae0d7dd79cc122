// Redoc has one theme, light; those who want it dark get these colours.
(() => {
  const DARK = {
    colors: {
      primary: { main: "#a5b4fc" },
      success: { main: "#6fd07a" },
      warning: { main: "#fbc46d", dark: "#fbc46d" },
      error: { main: "#ff9d92" },
      gray: { 50: "#1d2533", 100: "#2f3846" },
      text: { primary: "#e6eaf1", secondary: "#a9b2c3" },
      border: { dark: "#2f3846", light: "#2f3846" },
      responses: { info: { color: "#8fc7e8" } },
    },
    schema: { linesColor: "#5d6880", nestedBackground: "#1d2533" },
    typography: {
      code: { color: "#ff9d92", backgroundColor: "#232c3b" },
      links: { hover: "#c7d2fe" },
    },
    sidebar: {
      backgroundColor: "#171e2b",
      textColor: "#e6eaf1",
      groupItems: { activeBackgroundColor: "#2f3846" },
      level1Items: { activeBackgroundColor: "#2f3846" },
    },
    rightPanel: {
      backgroundColor: "#171e2b",
      servers: {
        overlay: { backgroundColor: "#232c3b", textColor: "#e6eaf1" },
        url: { backgroundColor: "#171e2b" },
      },
    },
    codeBlock: { backgroundColor: "#0d1219" },
    fab: { backgroundColor: "#2f3846", color: "#a5b4fc" },
  };
  const place = document.getElementById("redoc-container");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => location.reload());
  Redoc.init(place.dataset.schema, { theme: dark.matches ? DARK : {} }, place);
})();
