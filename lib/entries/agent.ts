export { Agent, type AgentOptions } from '../dispatcher/agent.js'
