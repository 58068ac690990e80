#include "localkube/kube_schema.hpp"

namespace toygres::localkube {

// From the field tags of k8s.io/api v0.32, without status and the volumes that this cluster cannot mount.
const std::string_view kube_schema_text = R"(
Affinity 1:nodeAffinity:NodeAffinity 2:podAffinity:PodAffinity 3:podAntiAffinity:PodAntiAffinity
AppArmorProfile 1:type:s 2:localhostProfile:s
Capabilities 1:add:*s 2:drop:*s
ClientIPConfig 1:timeoutSeconds:i
ConfigMap 1:metadata:ObjectMeta? 4:immutable:b 2:data:%s 3:binaryData:%y
ConfigMapEnvSource 1:^:LocalObjectReference 2:optional:b
ConfigMapKeySelector 1:^:LocalObjectReference 2:key:s 3:optional:b
ConfigMapNodeConfigSource 1:namespace:s 2:name:s 3:uid:s? 4:resourceVersion:s? 5:kubeletConfigKey:s
ConfigMapProjection 1:^:LocalObjectReference 2:items:*KeyToPath 4:optional:b
ConfigMapVolumeSource 1:^:LocalObjectReference 2:items:*KeyToPath 3:defaultMode:i 4:optional:b
Container 1:name:s 2:image:s? 3:command:*s 4:args:*s 5:workingDir:s? 6:ports:*ContainerPort 19:envFrom:*EnvFromSource
  7:env:*EnvVar 8:resources:ResourceRequirements? 23:resizePolicy:*ContainerResizePolicy 24:restartPolicy:s
  9:volumeMounts:*VolumeMount 21:volumeDevices:*VolumeDevice 10:livenessProbe:Probe 11:readinessProbe:Probe
  22:startupProbe:Probe 12:lifecycle:Lifecycle 13:terminationMessagePath:s? 20:terminationMessagePolicy:s?
  14:imagePullPolicy:s? 15:securityContext:SecurityContext 16:stdin:b? 17:stdinOnce:b? 18:tty:b?
ContainerPort 1:name:s? 2:hostPort:i? 3:containerPort:i 4:protocol:s? 5:hostIP:s?
ContainerResizePolicy 1:resourceName:s 2:restartPolicy:s
CronJob 1:metadata:ObjectMeta? 2:spec:CronJobSpec? 3:status:-
CronJobSpec 1:schedule:s 8:timeZone:s 2:startingDeadlineSeconds:i 3:concurrencyPolicy:s? 4:suspend:b
  5:jobTemplate:JobTemplateSpec? 6:successfulJobsHistoryLimit:i 7:failedJobsHistoryLimit:i
DeleteOptions 1:gracePeriodSeconds:i 2:preconditions:Preconditions 3:orphanDependents:b 4:propagationPolicy:s
  5:dryRun:*s 6:ignoreStoreReadErrorWithClusterBreakingPotential:b
DownwardAPIProjection 1:items:*DownwardAPIVolumeFile
DownwardAPIVolumeFile 1:path:s 2:fieldRef:ObjectFieldSelector 3:resourceFieldRef:ResourceFieldSelector 4:mode:i
DownwardAPIVolumeSource 1:items:*DownwardAPIVolumeFile 2:defaultMode:i
EmptyDirVolumeSource 1:medium:s? 2:sizeLimit:q
EndpointAddress 1:ip:s 3:hostname:s? 4:nodeName:s 2:targetRef:ObjectReference
EndpointPort 1:name:s? 2:port:i 3:protocol:s? 4:appProtocol:s
EndpointSubset 1:addresses:*EndpointAddress 2:notReadyAddresses:*EndpointAddress 3:ports:*EndpointPort
Endpoints 1:metadata:ObjectMeta? 2:subsets:*EndpointSubset
EnvFromSource 1:prefix:s? 2:configMapRef:ConfigMapEnvSource 3:secretRef:SecretEnvSource
EnvVar 1:name:s 2:value:s? 3:valueFrom:EnvVarSource
EnvVarSource 1:fieldRef:ObjectFieldSelector 2:resourceFieldRef:ResourceFieldSelector
  3:configMapKeyRef:ConfigMapKeySelector 4:secretKeyRef:SecretKeySelector
Event 1:metadata:ObjectMeta? 2:involvedObject:ObjectReference? 3:reason:s? 4:message:s? 5:source:EventSource?
  6:firstTimestamp:t 7:lastTimestamp:t 8:count:i? 9:type:s? 10:eventTime:T 11:series:EventSeries 12:action:s?
  13:related:ObjectReference 14:reportingComponent:s 15:reportingInstance:s
EventSeries 1:count:i? 2:lastObservedTime:T
EventSource 1:component:s? 2:host:s?
Eviction 1:metadata:ObjectMeta? 2:deleteOptions:DeleteOptions
ExecAction 1:command:*s
FieldSelectorAttributes 1:rawSelector:s? 2:requirements:*FieldSelectorRequirement
FieldSelectorRequirement 1:key:s 2:operator:s 3:values:*s
GRPCAction 1:port:i 2:service:s
HTTPGetAction 1:path:s? 2:port:x? 3:host:s? 4:scheme:s? 5:httpHeaders:*HTTPHeader
HTTPHeader 1:name:s 2:value:s
HostAlias 1:ip:s 2:hostnames:*s
HostPathVolumeSource 1:path:s 2:type:s
IPBlock 1:cidr:s 2:except:*s
Job 1:metadata:ObjectMeta? 2:spec:JobSpec? 3:status:-
JobSpec 1:parallelism:i 2:completions:i 3:activeDeadlineSeconds:i 11:podFailurePolicy:PodFailurePolicy
  16:successPolicy:SuccessPolicy 7:backoffLimit:i 12:backoffLimitPerIndex:i 13:maxFailedIndexes:i
  4:selector:LabelSelector 5:manualSelector:b 6:template:PodTemplateSpec? 8:ttlSecondsAfterFinished:i
  9:completionMode:s 10:suspend:b 14:podReplacementPolicy:s 15:managedBy:s
JobTemplateSpec 1:metadata:ObjectMeta? 2:spec:JobSpec?
KeyToPath 1:key:s 2:path:s 3:mode:i
LabelSelector 1:matchLabels:%s 2:matchExpressions:*LabelSelectorRequirement
LabelSelectorAttributes 1:rawSelector:s? 2:requirements:*LabelSelectorRequirement
LabelSelectorRequirement 1:key:s 2:operator:s 3:values:*s
Lease 1:metadata:ObjectMeta? 2:spec:LeaseSpec?
LeaseSpec 1:holderIdentity:s 2:leaseDurationSeconds:i 3:acquireTime:T 4:renewTime:T 5:leaseTransitions:i 6:strategy:s
  7:preferredHolder:s
Lifecycle 1:postStart:LifecycleHandler 2:preStop:LifecycleHandler
LifecycleHandler 1:exec:ExecAction 2:httpGet:HTTPGetAction 3:tcpSocket:TCPSocketAction 4:sleep:SleepAction
LocalObjectReference 1:name:s?
LocalVolumeSource 1:path:s 2:fsType:s
ManagedFieldsEntry 1:manager:s? 2:operation:s? 3:apiVersion:s? 4:time:t 6:fieldsType:s? 7:fieldsV1:F 8:subresource:s?
Namespace 1:metadata:ObjectMeta? 2:spec:NamespaceSpec? 3:status:-
NamespaceSpec 1:finalizers:*s
NetworkPolicy 1:metadata:ObjectMeta? 2:spec:NetworkPolicySpec?
NetworkPolicyEgressRule 1:ports:*NetworkPolicyPort 2:to:*NetworkPolicyPeer
NetworkPolicyIngressRule 1:ports:*NetworkPolicyPort 2:from:*NetworkPolicyPeer
NetworkPolicyPeer 1:podSelector:LabelSelector 2:namespaceSelector:LabelSelector 3:ipBlock:IPBlock
NetworkPolicyPort 1:protocol:s 2:port:x 3:endPort:i
NetworkPolicySpec 1:podSelector:LabelSelector? 2:ingress:*NetworkPolicyIngressRule 3:egress:*NetworkPolicyEgressRule
  4:policyTypes:*s
Node 1:metadata:ObjectMeta? 2:spec:NodeSpec? 3:status:-
NodeAffinity 1:requiredDuringSchedulingIgnoredDuringExecution:NodeSelector
  2:preferredDuringSchedulingIgnoredDuringExecution:*PreferredSchedulingTerm
NodeConfigSource 2:configMap:ConfigMapNodeConfigSource
NodeSelector 1:nodeSelectorTerms:*NodeSelectorTerm
NodeSelectorRequirement 1:key:s 2:operator:s 3:values:*s
NodeSelectorTerm 1:matchExpressions:*NodeSelectorRequirement 2:matchFields:*NodeSelectorRequirement
NodeSpec 1:podCIDR:s? 7:podCIDRs:*s 3:providerID:s? 4:unschedulable:b? 5:taints:*Taint 6:configSource:NodeConfigSource
  2:externalID:s?
NonResourceAttributes 1:path:s? 2:verb:s?
ObjectFieldSelector 1:apiVersion:s? 2:fieldPath:s
ObjectMeta 1:name:s? 2:generateName:s? 3:namespace:s? 4:selfLink:s? 5:uid:s? 6:resourceVersion:s? 7:generation:i?
  8:creationTimestamp:t 9:deletionTimestamp:t 10:deletionGracePeriodSeconds:i 11:labels:%s 12:annotations:%s
  13:ownerReferences:*OwnerReference 14:finalizers:*s 17:managedFields:*ManagedFieldsEntry
ObjectReference 1:kind:s? 2:namespace:s? 3:name:s? 4:uid:s? 5:apiVersion:s? 6:resourceVersion:s? 7:fieldPath:s?
OwnerReference 5:apiVersion:s 1:kind:s 3:name:s 4:uid:s 6:controller:b 7:blockOwnerDeletion:b
PersistentVolume 1:metadata:ObjectMeta? 2:spec:PersistentVolumeSpec? 3:status:-
PersistentVolumeClaim 1:metadata:ObjectMeta? 2:spec:PersistentVolumeClaimSpec? 3:status:-
PersistentVolumeClaimSpec 1:accessModes:*s 4:selector:LabelSelector 2:resources:VolumeResourceRequirements?
  3:volumeName:s? 5:storageClassName:s 6:volumeMode:s 7:dataSource:TypedLocalObjectReference
  8:dataSourceRef:TypedObjectReference 9:volumeAttributesClassName:s
PersistentVolumeClaimVolumeSource 1:claimName:s 2:readOnly:b?
PersistentVolumeSource 3:hostPath:HostPathVolumeSource 20:local:LocalVolumeSource
PersistentVolumeSpec 1:capacity:%q 2:^:PersistentVolumeSource 3:accessModes:*s 4:claimRef:ObjectReference
  5:persistentVolumeReclaimPolicy:s? 6:storageClassName:s? 7:mountOptions:*s 8:volumeMode:s
  9:nodeAffinity:VolumeNodeAffinity 10:volumeAttributesClassName:s
Pod 1:metadata:ObjectMeta? 2:spec:PodSpec? 3:status:-
PodAffinity 1:requiredDuringSchedulingIgnoredDuringExecution:*PodAffinityTerm
  2:preferredDuringSchedulingIgnoredDuringExecution:*WeightedPodAffinityTerm
PodAffinityTerm 1:labelSelector:LabelSelector 2:namespaces:*s 3:topologyKey:s 4:namespaceSelector:LabelSelector
  5:matchLabelKeys:*s 6:mismatchLabelKeys:*s
PodAntiAffinity 1:requiredDuringSchedulingIgnoredDuringExecution:*PodAffinityTerm
  2:preferredDuringSchedulingIgnoredDuringExecution:*WeightedPodAffinityTerm
PodDNSConfig 1:nameservers:*s 2:searches:*s 3:options:*PodDNSConfigOption
PodDNSConfigOption 1:name:s? 2:value:s
PodDisruptionBudget 1:metadata:ObjectMeta? 2:spec:PodDisruptionBudgetSpec? 3:status:-
PodDisruptionBudgetSpec 1:minAvailable:x 2:selector:LabelSelector 3:maxUnavailable:x 4:unhealthyPodEvictionPolicy:s
PodFailurePolicy 1:rules:*PodFailurePolicyRule
PodFailurePolicyOnExitCodesRequirement 1:containerName:s 2:operator:s 3:values:*i
PodFailurePolicyOnPodConditionsPattern 1:type:s 2:status:s
PodFailurePolicyRule 1:action:s 2:onExitCodes:PodFailurePolicyOnExitCodesRequirement
  3:onPodConditions:*PodFailurePolicyOnPodConditionsPattern
PodOS 1:name:s
PodReadinessGate 1:conditionType:s
PodSchedulingGate 1:name:s
PodSecurityContext 1:seLinuxOptions:SELinuxOptions 8:windowsOptions:WindowsSecurityContextOptions 2:runAsUser:i
  6:runAsGroup:i 3:runAsNonRoot:b 4:supplementalGroups:*i 12:supplementalGroupsPolicy:s 5:fsGroup:i 7:sysctls:*Sysctl
  9:fsGroupChangePolicy:s 10:seccompProfile:SeccompProfile 11:appArmorProfile:AppArmorProfile 13:seLinuxChangePolicy:s
PodSpec 1:volumes:*Volume 20:initContainers:*Container 2:containers:*Container 3:restartPolicy:s?
  4:terminationGracePeriodSeconds:i 5:activeDeadlineSeconds:i 6:dnsPolicy:s? 7:nodeSelector:%s 8:serviceAccountName:s?
  9:serviceAccount:s? 21:automountServiceAccountToken:b 10:nodeName:s? 11:hostNetwork:b? 12:hostPID:b? 13:hostIPC:b?
  27:shareProcessNamespace:b 14:securityContext:PodSecurityContext 15:imagePullSecrets:*LocalObjectReference
  16:hostname:s? 17:subdomain:s? 18:affinity:Affinity 19:schedulerName:s? 22:tolerations:*Toleration
  23:hostAliases:*HostAlias 24:priorityClassName:s? 25:priority:i 26:dnsConfig:PodDNSConfig
  28:readinessGates:*PodReadinessGate 29:runtimeClassName:s 30:enableServiceLinks:b 31:preemptionPolicy:s
  32:overhead:%q 33:topologySpreadConstraints:*TopologySpreadConstraint 35:setHostnameAsFQDN:b 36:os:PodOS
  37:hostUsers:b 38:schedulingGates:*PodSchedulingGate 40:resources:ResourceRequirements
PodTemplateSpec 1:metadata:ObjectMeta? 2:spec:PodSpec?
PolicyRule 1:verbs:*s 2:apiGroups:*s 3:resources:*s 4:resourceNames:*s 5:nonResourceURLs:*s
Preconditions 1:uid:s 2:resourceVersion:s
PreferredSchedulingTerm 1:weight:i 2:preference:NodeSelectorTerm?
Probe 1:^:ProbeHandler 2:initialDelaySeconds:i? 3:timeoutSeconds:i? 4:periodSeconds:i? 5:successThreshold:i?
  6:failureThreshold:i? 7:terminationGracePeriodSeconds:i
ProbeHandler 1:exec:ExecAction 2:httpGet:HTTPGetAction 3:tcpSocket:TCPSocketAction 4:grpc:GRPCAction
ProjectedVolumeSource 1:sources:*VolumeProjection 2:defaultMode:i
ResourceAttributes 1:namespace:s? 2:verb:s? 3:group:s? 4:version:s? 5:resource:s? 6:subresource:s? 7:name:s?
  8:fieldSelector:FieldSelectorAttributes 9:labelSelector:LabelSelectorAttributes
ResourceClaim 1:name:s 2:request:s?
ResourceFieldSelector 1:containerName:s? 2:resource:s 3:divisor:q?
ResourceRequirements 1:limits:%q 2:requests:%q 3:claims:*ResourceClaim
Role 1:metadata:ObjectMeta? 2:rules:*PolicyRule
RoleBinding 1:metadata:ObjectMeta? 2:subjects:*Subject 3:roleRef:RoleRef?
RoleRef 1:apiGroup:s 2:kind:s 3:name:s
RollingUpdateStatefulSetStrategy 1:partition:i 2:maxUnavailable:x
SELinuxOptions 1:user:s? 2:role:s? 3:type:s? 4:level:s?
Scale 1:metadata:ObjectMeta? 2:spec:ScaleSpec? 3:status:-
ScaleSpec 1:replicas:i?
SeccompProfile 1:type:s 2:localhostProfile:s
Secret 1:metadata:ObjectMeta? 5:immutable:b 2:data:%y 4:stringData:%s 3:type:s?
SecretEnvSource 1:^:LocalObjectReference 2:optional:b
SecretKeySelector 1:^:LocalObjectReference 2:key:s 3:optional:b
SecretProjection 1:^:LocalObjectReference 2:items:*KeyToPath 4:optional:b
SecretVolumeSource 1:secretName:s? 2:items:*KeyToPath 3:defaultMode:i 4:optional:b
SecurityContext 1:capabilities:Capabilities 2:privileged:b 3:seLinuxOptions:SELinuxOptions
  10:windowsOptions:WindowsSecurityContextOptions 4:runAsUser:i 8:runAsGroup:i 5:runAsNonRoot:b
  6:readOnlyRootFilesystem:b 7:allowPrivilegeEscalation:b 9:procMount:s 11:seccompProfile:SeccompProfile
  12:appArmorProfile:AppArmorProfile
SelfSubjectAccessReview 1:metadata:ObjectMeta? 2:spec:SelfSubjectAccessReviewSpec? 3:status:-
SelfSubjectAccessReviewSpec 1:resourceAttributes:ResourceAttributes 2:nonResourceAttributes:NonResourceAttributes
Service 1:metadata:ObjectMeta? 2:spec:ServiceSpec? 3:status:-
ServiceAccount 1:metadata:ObjectMeta? 2:secrets:*ObjectReference 3:imagePullSecrets:*LocalObjectReference
  4:automountServiceAccountToken:b
ServiceAccountTokenProjection 1:audience:s? 2:expirationSeconds:i 3:path:s
ServicePort 1:name:s? 2:protocol:s? 6:appProtocol:s 3:port:i 4:targetPort:x? 5:nodePort:i?
ServiceSpec 1:ports:*ServicePort 2:selector:%s 3:clusterIP:s? 18:clusterIPs:*s 4:type:s? 5:externalIPs:*s
  7:sessionAffinity:s? 8:loadBalancerIP:s? 9:loadBalancerSourceRanges:*s 10:externalName:s?
  11:externalTrafficPolicy:s? 12:healthCheckNodePort:i? 13:publishNotReadyAddresses:b?
  14:sessionAffinityConfig:SessionAffinityConfig 19:ipFamilies:*s 17:ipFamilyPolicy:s
  20:allocateLoadBalancerNodePorts:b 21:loadBalancerClass:s 22:internalTrafficPolicy:s 23:trafficDistribution:s
SessionAffinityConfig 1:clientIP:ClientIPConfig
SleepAction 1:seconds:i
StatefulSet 1:metadata:ObjectMeta? 2:spec:StatefulSetSpec? 3:status:-
StatefulSetOrdinals 1:start:i
StatefulSetPersistentVolumeClaimRetentionPolicy 1:whenDeleted:s? 2:whenScaled:s?
StatefulSetSpec 1:replicas:i 2:selector:LabelSelector 3:template:PodTemplateSpec?
  4:volumeClaimTemplates:*PersistentVolumeClaim 5:serviceName:s 6:podManagementPolicy:s?
  7:updateStrategy:StatefulSetUpdateStrategy? 8:revisionHistoryLimit:i 9:minReadySeconds:i?
  10:persistentVolumeClaimRetentionPolicy:StatefulSetPersistentVolumeClaimRetentionPolicy
  11:ordinals:StatefulSetOrdinals
StatefulSetUpdateStrategy 1:type:s? 2:rollingUpdate:RollingUpdateStatefulSetStrategy
Subject 1:kind:s 2:apiGroup:s? 3:name:s 4:namespace:s?
SuccessPolicy 1:rules:*SuccessPolicyRule
SuccessPolicyRule 1:succeededIndexes:s 2:succeededCount:i
Sysctl 1:name:s 2:value:s
TCPSocketAction 1:port:x? 2:host:s?
Taint 1:key:s 2:value:s? 3:effect:s 4:timeAdded:t
Toleration 1:key:s? 2:operator:s? 3:value:s? 4:effect:s? 5:tolerationSeconds:i
TopologySpreadConstraint 1:maxSkew:i 2:topologyKey:s 3:whenUnsatisfiable:s 4:labelSelector:LabelSelector
  5:minDomains:i 6:nodeAffinityPolicy:s 7:nodeTaintsPolicy:s 8:matchLabelKeys:*s
TypedLocalObjectReference 1:apiGroup:s 2:kind:s 3:name:s
TypedObjectReference 1:apiGroup:s 2:kind:s 3:name:s 4:namespace:s
Volume 1:name:s 2:^:VolumeSource
VolumeDevice 1:name:s 2:devicePath:s
VolumeMount 1:name:s 2:readOnly:b? 7:recursiveReadOnly:s 3:mountPath:s 4:subPath:s? 5:mountPropagation:s
  6:subPathExpr:s?
VolumeNodeAffinity 1:required:NodeSelector
VolumeProjection 1:secret:SecretProjection 2:downwardAPI:DownwardAPIProjection 3:configMap:ConfigMapProjection
  4:serviceAccountToken:ServiceAccountTokenProjection
VolumeResourceRequirements 1:limits:%q 2:requests:%q
VolumeSource 1:hostPath:HostPathVolumeSource 2:emptyDir:EmptyDirVolumeSource 6:secret:SecretVolumeSource
  10:persistentVolumeClaim:PersistentVolumeClaimVolumeSource 16:downwardAPI:DownwardAPIVolumeSource
  19:configMap:ConfigMapVolumeSource 26:projected:ProjectedVolumeSource
WeightedPodAffinityTerm 1:weight:i 2:podAffinityTerm:PodAffinityTerm?
WindowsSecurityContextOptions 1:gmsaCredentialSpecName:s 2:gmsaCredentialSpec:s 3:runAsUserName:s 4:hostProcess:b
)";

}  // namespace toygres::localkube
