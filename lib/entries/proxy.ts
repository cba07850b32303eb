export { EnvHttpProxyAgent, type EnvHttpProxyAgentOptions } from '../proxy/env-http-proxy-agent.js'
export { ProxyAgent } from '../proxy/proxy-agent.js'
export type { ProxyAgentOptions } from '../proxy/proxy-options.js'
