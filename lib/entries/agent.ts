export { Agent } from '../dispatcher/agent.js'
export type { AgentOptions } from '../dispatcher/agent-options.js'
