export { Agent } from '../dispatcher/agent.js'
export type * from '../types.js'
