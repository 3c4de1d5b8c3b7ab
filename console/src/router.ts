import { store } from "./store";

/** Routes live in the fragment: the server has one page and knows no route of the console. */
export interface Route { name: string; id: string | null; query: URLSearchParams }

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [name = "", ...rest] = path.split("/");
  let id: string | null = rest.join("/") || null;
  try {
    id = id && decodeURIComponent(id);
  } catch {
    /* a stray percent sign stands for itself */
  }
  return { name: name || "ask", id, query: new URLSearchParams(query) };
}

export const route = store<Route>(parseRoute(location.hash));
addEventListener("hashchange", () => route.set(parseRoute(location.hash)));

export function href(name: string, id?: string | null, query?: Record<string, string>): string {
  const q = query ? new URLSearchParams(query).toString() : "";
  return `#/${name}${id ? `/${encodeURIComponent(id)}` : ""}${q ? `?${q}` : ""}`;
}

export function go(name: string, id?: string | null): void {
  location.hash = href(name, id);
}
