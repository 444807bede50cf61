// style sheets, which Vite puts into page.css
declare module "*.css";
