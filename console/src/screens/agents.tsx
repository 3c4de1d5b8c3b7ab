import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { json } from "../api";
import { both, cli, curl } from "../equivalents";
import { useTongue } from "../i18n";
import type { Agent, AgentStats, Page, Tool } from "../types";
import { Equivalents, ErrorBox, Loading } from "../ui/basic";
import { Id, Inline, Paragraphs, Shown } from "../ui/text";

function Chips({ items }: { items: string[] }): JSX.Element {
  return <ul class="chips">{items.map((c) => <li key={c}><Id text={c} /></li>)}</ul>;
}

function History({ stats, name }: { stats: AgentStats[]; name: string }): JSX.Element {
  const { t, number, percent, ms, bytes } = useTongue();
  if (stats.length === 0) return <p class="meta">{t("agents.nohistory")}</p>;
  return (
    <div class="table-box" role="group" tabIndex={0}><table>
      <caption class="visually-hidden">{t("agents.history")} {name}</caption>
      <thead><tr><th scope="col">{t("agents.capability")}</th><th scope="col" class="col-number">{t("agents.runs")}</th><th scope="col" class="col-number">{t("agents.success")}</th>
        <th scope="col" class="col-number">{t("agents.response")}</th><th scope="col" class="col-number">{t("agents.cpu")}</th><th scope="col" class="col-number">{t("agents.memory")}</th></tr></thead>
      <tbody>{stats.map((s) => (
        <tr key={s.capability}><th scope="row"><Id text={s.capability} /></th><td class="col-number">{number(s.runs)}</td>
          <td class={`col-number ${s.success_rate < 0.8 ? "bad" : ""}`}>{percent(s.success_rate)}</td><td class="col-number">{ms(s.response_ms)}</td>
          <td class="col-number">{ms(s.cpu_ms)}</td><td class="col-number">{bytes(s.memory_bytes)}</td></tr>
      ))}</tbody>
    </table></div>
  );
}

function AgentCard({ agent }: { agent: Agent }): JSX.Element {
  const { t, word } = useTongue();
  return (
    <li class="card agent">
      <h2><Id text={agent.name} /> <span class="badge">{word("agents", agent.origin)}</span></h2>
      <p dir="auto"><Shown text={agent.description} /></p>
      <dl class="facts">
        <dt>{t("agents.can")}</dt><dd><Chips items={agent.spec.capabilities ?? []} /></dd>
        <dt>{t("agents.tools")}</dt><dd><Chips items={agent.spec.tools ?? []} /></dd>
      </dl>
      <History stats={agent.stats} name={agent.name} />
      {agent.spec.instructions && <details><summary>{t("agents.instructions")}</summary><Paragraphs class="prose small" text={agent.spec.instructions} /></details>}
    </li>
  );
}

function Tools({ tools }: { tools: Tool[] }): JSX.Element {
  const { t, word } = useTongue();
  return (
    <section>
      <h2 id="tools">{t("agents.all.tools")}</h2>
      <div class="table-box" role="group" tabIndex={0}><table aria-labelledby="tools">
        <thead><tr><th scope="col">{t("agents.tools")}</th><th scope="col">{t("agents.can")}</th><th scope="col">{t("agents.effects")}</th></tr></thead>
        <tbody>{tools.map((x) => <tr key={x.name}><th scope="row"><Id text={x.name} /></th><td><Inline text={x.description} /></td><td>{word("effects", x.effects)}</td></tr>)}</tbody>
      </table></div>
    </section>
  );
}

export function Agents(): JSX.Element {
  const { t } = useTongue();
  const [agents, setAgents] = useState<Agent[] | null>(null);
  const [tools, setTools] = useState<Tool[]>([]);
  const [problem, setProblem] = useState<unknown>(null);
  useEffect(() => {
    json<Page<Agent>>("/v1/agents").then((p) => setAgents(p.items), setProblem);
    json<Page<Tool>>("/v1/tools").then((p) => setTools(p.items), () => undefined);
  }, []);
  return (
    <div class="agents">
      <h1>{t("agents.title")}</h1>
      <ErrorBox error={problem} />
      {!agents && !problem && <Loading />}
      {agents && <ul class="agent-list">{agents.map((a) => <AgentCard key={a.name} agent={a} />)}</ul>}
      {tools.length > 0 && <Tools tools={tools} />}
      <Equivalents lines={both(curl("/v1/agents"), cli(["agent"]))} />
    </div>
  );
}
