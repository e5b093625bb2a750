{{/* Values that contradict each other fail here, each with a sentence that says what to do. */}}
{{- define "bg.validate" -}}
{{- $v := .Values -}}
{{- $settings := default dict $v.settings -}}
{{- $most := ternary (int $v.autoscaling.maxReplicas) (int $v.replicas) $v.autoscaling.enabled -}}
{{- if not $v.models }}{{ fail "models: name at least one model and where its sealed file comes from" }}{{ end }}
{{- if and $v.settingsConfigMap $v.settings }}{{ fail "settings and settingsConfigMap: give the settings in one of them, not in both" }}{{ end }}
{{- if and (not $v.settingsConfigMap) (not (dig "service" "name" "" $settings)) }}{{ fail "settings.service.name: name the service, as its policies know it" }}{{ end }}
{{- if and $v.policy.files $v.policy.existingConfigMap }}{{ fail "policy.files and policy.existingConfigMap: give the policies in one of them, not in both" }}{{ end }}
{{- if not (or $v.policy.files $v.policy.existingConfigMap) }}{{ fail "policy: give the Cedar policies, in policy.files or in policy.existingConfigMap; without any, nobody may do anything" }}{{ end }}
{{- if $v.policy.files }}{{ range $file := compact (list $v.policy.policies $v.policy.schema $v.policy.entities $v.policy.links $v.policy.shadow) }}
  {{- if not (hasKey $v.policy.files $file) }}{{ fail (printf "policy.files: there is no '%s' among them" $file) }}{{ end }}
{{- end }}{{ end }}
{{- if and $v.trust.publicKeys $v.trust.existingConfigMap }}{{ fail "trust.publicKeys and trust.existingConfigMap: give the public keys in one of them, not in both" }}{{ end }}
{{- if not (or $v.trust.publicKeys $v.trust.existingConfigMap) }}{{ fail "trust: give the public keys of those who sign models, in trust.publicKeys or in trust.existingConfigMap" }}{{ end }}
{{- $stops := or $v.stop.configMap $v.stop.claimName }}{{ $breaks := or $v.breakGlass.configMap $v.breakGlass.claimName -}}
{{- if $v.trust.publicKeys }}{{ range $file := concat $v.trust.signers $v.trust.cosigners (ternary $v.stop.trustedKeys list (not (empty $stops))) $v.breakGlass.trustedKeys }}
  {{- if not (hasKey $v.trust.publicKeys $file) }}{{ fail (printf "trust.publicKeys: there is no '%s' among them" $file) }}{{ end }}
{{- end }}{{ end }}
{{- if gt (int $v.trust.threshold) (len $v.trust.signers) }}{{ fail "trust.threshold: more signatures are asked for than trust.signers can give" }}{{ end }}
{{- if and $v.keys.secretName $v.keys.secretProviderClass }}{{ fail "keys.secretName and keys.secretProviderClass: the keys come from one of them, not from both" }}{{ end }}
{{- if not (or $v.keys.secretName $v.keys.secretProviderClass) }}{{ range $key := compact (list $v.keys.recipient $v.keys.checkpoint $v.keys.apiKeyHash $v.keys.privacyHash) }}
  {{- if not (contains ":" $key) }}{{ fail (printf "keys: '%s' is a file, so name the Secret (keys.secretName) or the SecretProviderClass (keys.secretProviderClass) that holds it, or give the URI of a key service" $key) }}{{ end }}
{{- end }}{{ end }}
{{- if and $v.apiKeys.secretName (not $v.keys.apiKeyHash) }}{{ fail "apiKeys.secretName: API keys need keys.apiKeyHash, the secret that keys their hashes" }}{{ end }}
{{- if and (not $v.settingsConfigMap) (not $v.apiKeys.secretName) (not (dig "identity" "issuers" "" $settings)) (not (dig "identity" "certificates" "" $settings)) }}{{ fail "nobody could be known: give apiKeys.secretName, settings.identity.issuers or settings.identity.certificates" }}{{ end }}
{{- range $name, $model := $v.models }}
  {{- if and (has $model.source (list "image" "claim")) (not $model.path) }}{{ fail (printf "models.%s: the source '%s' needs path, the sealed file in it" $name $model.source) }}{{ end }}
  {{- if and (eq $model.source "claim") (not $model.claim) }}{{ fail (printf "models.%s: the source 'claim' needs claim, the name of a PersistentVolumeClaim" $name) }}{{ end }}
  {{- if and (eq $model.source "http") (not (and $model.url $model.sha256)) }}{{ fail (printf "models.%s: the source 'http' needs url and sha256, so that what comes is what was meant" $name) }}{{ end }}
  {{- if and (eq $model.source "oci") (not $model.reference) }}{{ fail (printf "models.%s: the source 'oci' needs reference, HOST/NAME@sha256:... with the blob's digest" $name) }}{{ end }}
{{- end }}
{{- if and $v.stop.configMap $v.stop.claimName }}{{ fail "stop.configMap and stop.claimName: the kill switch lies in one of them, not in both" }}{{ end }}
{{- if and $stops (not $v.stop.trustedKeys) }}{{ fail "stop.trustedKeys: name who may sign the kill switch's orders" }}{{ end }}
{{- if and (not $v.settingsConfigMap) (has "stop" (dig "service" "plugins" list $settings)) (not $stops) }}{{ fail "the plugin 'stop' needs stop.configMap or stop.claimName" }}{{ end }}
{{- if and $stops (not $v.settingsConfigMap) (not (has "stop" (dig "service" "plugins" list $settings))) }}{{ fail "stop: the kill switch works only if settings.service.plugins lists 'stop'" }}{{ end }}
{{- if and $v.breakGlass.configMap $v.breakGlass.claimName }}{{ fail "breakGlass.configMap and breakGlass.claimName: the grants lie in one of them, not in both" }}{{ end }}
{{- if and $breaks (lt (len $v.breakGlass.trustedKeys) 2) }}{{ fail "breakGlass.trustedKeys: a grant is signed by two, so name two at least" }}{{ end }}
{{- if and (gt $most 1) (not $v.redis.secretName) (not $v.limits.perReplica) }}{{ fail "more than one replica: name a Redis in which all of them count limits (redis.secretName), or say limits.perReplica: true to let each count apart" }}{{ end }}
{{- if and $v.redis.secretName $v.limits.perReplica }}{{ fail "redis.secretName and limits.perReplica: limits are counted in Redis or by each replica apart, not both" }}{{ end }}
{{- if and $v.server.terminationGracePeriodSeconds (le (int $v.server.terminationGracePeriodSeconds) (add (int $v.server.preStopSeconds) (int $v.server.drainSeconds) | int)) }}{{ fail "server.terminationGracePeriodSeconds: must be longer than preStopSeconds and drainSeconds together, or calls are cut off; 0 computes it" }}{{ end }}
{{- if and (gt (int $v.gpu.count) 0) (ne $v.image.flavour "gpu") }}{{ fail "gpu.count: GPUs need an image built with --runtime gpu; set image.flavour: gpu" }}{{ end }}
{{- if and (eq $v.image.flavour "gpu") (eq (int $v.gpu.count) 0) }}{{ fail "image.flavour: an image for GPUs needs gpu.count above 0" }}{{ end }}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) }}{{ fail "autoscaling: minReplicas is above maxReplicas" }}{{ end }}
{{- if and $v.podDisruptionBudget.enabled (ge (int $v.podDisruptionBudget.minAvailable) (int (include "bg.replicas" .))) }}{{ fail "podDisruptionBudget.minAvailable: must be below the number of replicas, or no node can ever be drained" }}{{ end }}
{{- if $v.ingress.enabled }}
  {{- if not (and $v.ingress.host $v.ingress.tlsSecretName) }}{{ fail "ingress: needs host and tlsSecretName; personal data travels over TLS alone" }}{{ end }}
{{- end }}
{{- if and $v.serviceMonitor.enabled (not $v.serviceMonitor.credentialsSecretName) (not (dig "metrics" "trusted_networks" "" $settings)) }}{{ fail "serviceMonitor.credentialsSecretName: /metrics is governed, so Prometheus needs a credential whose role may read metrics" }}{{ end }}
{{- if and $v.serviceMonitor.enabled $v.networkPolicy.enabled (not $v.networkPolicy.prometheus) }}{{ fail "networkPolicy.prometheus: say where Prometheus runs, or it cannot scrape" }}{{ end }}
{{- if $v.networkPolicy.enabled }}
  {{- if and $v.redis.secretName (not $v.networkPolicy.redis.to) }}{{ fail "networkPolicy.redis.to: say where Redis is, or the pods cannot reach it" }}{{ end }}
  {{- range $key := list $v.keys.recipient $v.keys.checkpoint }}{{ if and (regexMatch "^(awskms|vault):" $key) (not $v.networkPolicy.keyService.to) }}{{ fail "networkPolicy.keyService.to: say where the key service is, or the pods cannot reach it" }}{{ end }}{{ end }}
  {{- range $name, $model := $v.models }}{{ if and (has $model.source (list "http" "oci")) (not $v.networkPolicy.artifacts.to) }}{{ fail "networkPolicy.artifacts.to: say where models are downloaded from, or the pods cannot reach it" }}{{ end }}{{ end }}
  {{- range $name, $issuer := dig "identity" "issuers" dict $settings }}{{ if and (not $issuer.jwks_file) (not $v.networkPolicy.identityProvider.to) }}{{ fail (printf "networkPolicy.identityProvider.to: say where the issuer '%s' is, or its keys cannot be fetched" $name) }}{{ end }}{{ end }}
{{- end }}
{{- if and $v.prometheusRule.enabled (not (.Files.Glob "files/rules/*.yaml")) }}{{ fail "prometheusRule: this copy of the chart has no files/rules; package it again from a complete checkout" }}{{ end }}
{{- if and $v.dashboards.enabled (not (.Files.Glob "files/dashboards/*.json")) }}{{ fail "dashboards: this copy of the chart has no files/dashboards; package it again from a complete checkout" }}{{ end }}
{{- end }}
